package main

import (
	"errors"
	"path/filepath"
	"testing"

	"turnpike.dev/turnpike/control/cli"
	"turnpike.dev/turnpike/control/dialplan"
)

// TestXRouting holds what the second command language says of routing and alarms.
func TestXRouting(t *testing.T) {
	n := storedNode(t, office, t.TempDir())
	n.router.Connect(dialplan.Network{
		Registrations: supposed{"1234@example.com": {ID: 1, Protocol: dialplan.SIP, Contact: "10.0.0.13:5060"}},
		Health:        cannedHealth{},
	})
	sh := newShell(n)
	for name, line := range map[string]string{
		"locate":           `xCommand Locate Alias: "1234" HopCount: 15 Protocol: SIP SourceZone: "local" Authenticated: Yes`,
		"locate_guest":     `xcommand locate alias: "dave@example.org" sourcezone: "DefaultZone" authenticated: no`,
		"locate_help":      `xCommand Locate ?`,
		"zone_list":        `xCommand ZoneList Alias: "carol@branch.example.com"`,
		"check_pattern":    `xCommand CheckPattern Target: "91234" Pattern: "9" Type: Prefix Behavior: AddPrefix Replace: "0"`,
		"check_pattern_no": `xCommand CheckPattern Target: "1" Pattern: "9" Type: Prefix`,
		"zones":            `xStatus Zones`,
		"alarms":           `xStatus Alarm`,
	} {
		t.Run(name, func(t *testing.T) {
			answer, err := sh.Run(t.Context(), line, cli.Caller{User: "test"})
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("xrouting", name+".txt"), answer.Text)
		})
	}
	for _, line := range []string{
		`xCommand CheckPattern Target: "1" Pattern: "(" Type: Regex`,
		`xCommand Locate Alias: "1" Protocol: MGCP`,
		`xCommand Locate`,
	} {
		if _, err := sh.Run(t.Context(), line, cli.Caller{}); !errors.Is(err, cli.ErrUsage) {
			t.Errorf("%s: %v", line, err)
		}
	}
	if _, err := sh.Run(t.Context(), `xCommand ZoneList Alias: "+900123456"`, cli.Caller{}); err == nil || err.Error() != "denied by call policy" {
		t.Errorf("got %v", err)
	}
}
