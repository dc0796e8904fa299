package licensing_test

import (
	"testing"

	"turnpike.dev/turnpike/licensing"
)

func TestRegistrationOf(t *testing.T) {
	for name, tc := range map[string]struct {
		sip, desktop bool
		want         licensing.Device
	}{
		"a SIP desktop":           {true, true, licensing.Desktop},
		"a SIP room system":       {true, false, licensing.Room},
		"H.323, whatever it says": {false, true, licensing.Room},
		"an H.323 room system":    {false, false, licensing.Room},
	} {
		t.Run(name, func(t *testing.T) {
			if got := licensing.RegistrationOf(tc.sip, tc.desktop); got != tc.want {
				t.Errorf("got %d, want %d", got, tc.want)
			}
		})
	}
}

// LI-01: desktop systems are known by what they call themselves.
func TestDesktops(t *testing.T) {
	d := licensing.NewDesktops([]string{"EX90", "", "jabber"})
	for agent, want := range map[string]bool{
		"TANDBERG/529 (TC7.3.4) EX90": true,
		"vendor-ex90/1.0":             true,
		"Jabber-Win/12":               true,
		"SX80/ce9":                    false,
		"":                            false,
	} {
		if got := d.Is(agent); got != want {
			t.Errorf("%q: %t", agent, got)
		}
	}
	if licensing.NewDesktops(nil).Is("EX90") || (*licensing.Desktops)(nil).Is("EX90") {
		t.Error("nothing is known, and EX90 is")
	}
}
