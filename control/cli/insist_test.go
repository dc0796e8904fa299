package cli

import (
	"errors"
	"strings"
	"testing"

	"turnpike.dev/turnpike/control/config"
)

// CL-05: what the node warns of is made in this language too by who insists.
func TestInsist(t *testing.T) {
	sh, s := newShell(t)
	warns := errors.New("it shuts tp2 out")
	s.SetGuard(func(changes []config.Change) error {
		for _, c := range changes {
			if c.Path == "cluster_tls" {
				return warns
			}
		}
		return nil
	})
	const set = "xConfiguration Alternates TLS Verify Mode: "
	for _, tt := range []struct {
		line, refused string
		mode          config.ClusterTLS
	}{
		{set + "Enforcing", "it shuts tp2 out", config.TLSPermissive},
		{set + "Enforcing Insist: Off", "it shuts tp2 out", config.TLSPermissive},
		{set + "Enforcing Insist: maybe", "write On or Off", config.TLSPermissive},
		{"xConfiguration Insist: On", "Insist", config.TLSPermissive},
		{set + "Enforcing insist: on", "", config.TLSEnforce},
	} {
		_, err := sh.Run(t.Context(), tt.line, Caller{})
		if (err != nil) != (tt.refused != "") || err != nil && !strings.Contains(err.Error(), tt.refused) {
			t.Errorf("%s: %v", tt.line, err)
		}
		if got := s.Current().Node.ClusterTLS; got != tt.mode {
			t.Errorf("%s: the mode is %s", tt.line, got)
		}
	}
}
