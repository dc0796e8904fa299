package licensing

import "strings"

// Device is what kind of licence a registration takes.
type Device uint8

// Devices.
const (
	Room Device = iota
	Desktop
)

// RegistrationOf returns the licence that a registration of one alias takes: H.323 always
// that of a room system, SIP that of a desktop where the device says it is one.
func RegistrationOf(sip, desktop bool) Device {
	if sip && desktop {
		return Desktop
	}
	return Room
}

// Desktops tells desktop devices by what they call themselves; nil knows none.
type Desktops struct{ parts []string }

// NewDesktops returns the devices whose User-Agent has one of the parts in it, in any
// case of letters. Parts that are empty count for nothing.
func NewDesktops(parts []string) *Desktops {
	d := &Desktops{}
	for _, p := range parts {
		if p = strings.ToLower(p); p != "" {
			d.parts = append(d.parts, p)
		}
	}
	return d
}

// Is says whether a User-Agent is that of a desktop device (facts A3).
func (d *Desktops) Is(userAgent string) bool {
	if d == nil || userAgent == "" {
		return false
	}
	userAgent = strings.ToLower(userAgent)
	for _, p := range d.parts {
		if strings.Contains(userAgent, p) {
			return true
		}
	}
	return false
}
