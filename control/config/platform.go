package config

// PlatformName is a size of machine that limits are chosen by.
type PlatformName string

// Platforms (CA-01).
const (
	PlatformCE1200 PlatformName = "CE1200"
	PlatformLarge  PlatformName = "Large"
	PlatformMedium PlatformName = "Medium"
	PlatformSmall  PlatformName = "Small"
	PlatformCustom PlatformName = "custom"
)

// relaysPerPort is what one of six request ports gives with multiplexing off (CA-03).
const relaysPerPort = 1000

// Limits are what one node of a platform carries (CA-01). Video and audio calls
// are alternatives: a call uses 1/limit of its kind.
type Limits struct {
	Registrations        int
	VideoCalls           int
	MRAVideoCalls        int
	AudioCalls           int
	RMSLicences          int
	ProxiedRegistrations int
	Relays               int
	// RequestPorts is how many TURN ports there are with multiplexing off (CA-03).
	RequestPorts int
}

// Limits returns the platform's default limits; those of custom are the
// largest, for the keys that set them to lower or raise.
func (p PlatformName) Limits() Limits {
	switch p {
	case PlatformCE1200:
		return Limits{5000, 500, 500, 1000, 500, 5000, 6000, 6}
	case PlatformMedium:
		return Limits{2500, 100, 100, 200, 100, 2500, 1800, 1}
	case PlatformSmall:
		return Limits{2000, 40, 20, 40, 75, 200, 1800, 1}
	default: // Large, custom
		return Limits{5000, 500, 500, 1000, 500, 2500, 6000, 6}
	}
}
