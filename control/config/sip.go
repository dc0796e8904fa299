package config

// SIP says where SIP is spoken.
type SIP struct {
	Mode           Switch    `yaml:"mode"`
	UDP            Port      `yaml:"udp"`
	TCP            Port      `yaml:"tcp"`
	TLS            Port      `yaml:"tls"`
	SessionTime    Seconds   `yaml:"session_time"`
	MinSessionTime Seconds   `yaml:"min_session_time"`
	ExpireDelta    Seconds   `yaml:"registration_time"`
	Digest         Digest    `yaml:"digest"`
	Forward        Forward   `yaml:"forward_registrations"`
	MediaTimeout   Seconds   `yaml:"media_timeout"`
	Refer          ReferMode `yaml:"refer"`
}

// H323 is the gatekeeper and its call signalling.
type H323 struct {
	Mode           Switch       `yaml:"mode"`
	RASPort        uint16       `yaml:"ras_port"`
	CallPort       uint16       `yaml:"call_port"`
	TimeToLive     Seconds      `yaml:"time_to_live"`
	CallTimeToLive Seconds      `yaml:"call_time_to_live"`
	Conflict       ConflictMode `yaml:"conflict"`
}

// ConflictMode says what becomes of a registration whose alias is taken (facts A8).
type ConflictMode string

// Conflict modes.
const (
	ConflictReject    ConflictMode = "reject"
	ConflictOverwrite ConflictMode = "overwrite"
)

// Account is somebody who registers with a password (CL-03: shared).
type Account struct {
	Index    int    `yaml:"-"`
	Name     string `yaml:"name"`
	Password Secret `yaml:"password"`
}

// Digest says by which hashes passwords are asked for (RFC 8760), in which order.
type Digest string

// Digest orders.
const (
	DigestMD5First    Digest = "md5_first"
	DigestSHA256First Digest = "sha256_first"
	DigestMD5         Digest = "md5"
	DigestSHA256      Digest = "sha256"
)

// Forward says what becomes of a REGISTER for a domain that is not ours (RG-10).
type Forward string

// Forward modes.
const (
	ForwardOff   Forward = "off"
	ForwardKnown Forward = "known" // to neighbours and traversal zones
	ForwardAny   Forward = "any"   // to DNS zones too
)

func sipItems() []Item {
	return []Item{
		{Path: "sip.mode", X: "SIP Mode", Kind: onOff(), Default: "off", Text: "SIP registrar, proxy and B2BUA."},
		{Path: "sip.udp", X: "SIP UDP Port", Kind: port(1), Default: "off", Text: "Port for SIP over UDP, usually 5060."},
		{Path: "sip.tcp", X: "SIP TCP Port", Kind: port(1), Default: "5060", Text: "Port for SIP over TCP."},
		{Path: "sip.tls", X: "SIP TLS Port", Kind: port(1), Default: "5061", Text: "Port for SIP over TLS."},
		{Path: "sip.session_time", X: "SIP Session Refresh Value", Kind: seconds(90, 86400), Default: "1800", Restart: RestartNone, Text: "After which time without a refresh a call ends (RFC 4028)."},
		{Path: "sip.min_session_time", X: "SIP Session Refresh Minimum", Kind: seconds(90, 7200), Default: "500", Restart: RestartNone, Text: "Shortest session time that is agreed to."},
		{Path: "sip.registration_time", X: "SIP Registration Standard Refresh Maximum", Kind: seconds(60, 7200), Default: "300", Restart: RestartNone, Text: "Longest time to live of a registration."},
		{Path: "sip.digest", X: "SIP Authentication Digest Algorithm", Kind: words("md5_first=MD5First", "sha256_first=SHA256First", "md5=MD5", "sha256=SHA256"), Default: "md5", Restart: RestartNone, Text: "By which hashes passwords are asked for, and in which order. An endpoint should take the first that it knows; but many that know only MD5 give up when SHA-256 stands first (SIPp 3.6) or at all (baresip 1.0)."},
		{Path: "sip.forward_registrations", X: "SIP Registration Proxy Mode", Kind: words("off", "known=ProxyToKnownOnly", "any=ProxyToAny"), Default: "off", Restart: RestartNone, Text: "A REGISTER for a domain that is not in `domains` goes where the search rules lead: nowhere; to neighbours and traversal zones; to DNS zones too. The registrar there decides about it."},
		{Path: "sip.media_timeout", X: "SIP Media Timeout", Kind: seconds(0, 86400).shown("10–86400 seconds, 0: never"), Default: "300", Text: "After which time without a packet from either end a call with relayed media ends. A call on hold waits for its session time."},
		{Path: "sip.refer", X: "SIP Refer Mode", Kind: words("pass", "refuse"), Default: "refuse", Restart: RestartNone, Text: "What becomes of a REFER within a call: the other party gets it, or the answer is 403. Who may send one can have the other party call whom he likes."},
		{Path: "domains", X: "SIP Domain [] Name", Kind: text(1, 128).many(200).shown("list of up to 200 DNS domains"), Restart: RestartNone, Text: "Domains that this node is the registrar of."},
	}
}

func h323Items() []Item {
	return awaits(awaitsH323, []Item{
		{Path: "h323.mode", X: "H323 Mode", Kind: onOff(), Default: "on", Restart: RestartSubsystem, Text: "H.323 gatekeeper. A cluster needs it on."},
		{Path: "h323.ras_port", X: "H323 Gatekeeper Registration UDP Port", Kind: integer(1024, 65534), Default: "1719", Restart: RestartSubsystem, Text: "Port for registration, admission and status."},
		{Path: "h323.call_port", X: "H323 Gatekeeper CallSignaling TCP Port", Kind: integer(1024, 65534), Default: "1720", Restart: RestartSubsystem, Text: "Port for call signalling."},
		{Path: "h323.time_to_live", X: "H323 Gatekeeper TimeToLive", Kind: seconds(60, 65534), Default: "1800", Restart: RestartNone, Text: "Time to live of a registration. A small value fails over quickly and multiplies the registration traffic."},
		{Path: "h323.call_time_to_live", X: "H323 Gatekeeper CallTimeToLive", Kind: seconds(60, 65534), Default: "120", Restart: RestartNone, Text: "How often endpoints in calls are asked whether they live."},
		{Path: "h323.conflict", X: "H323 Gatekeeper Registration ConflictMode", Kind: words("reject", "overwrite"), Default: "reject", Restart: RestartNone, Text: "What becomes of a registration whose alias another endpoint has."},
	})
}

func accountItems() []Item {
	return live(
		Item{Path: "accounts", X: "Authentication Account", Kind: entries("account", 10000), Text: "Who may register with a password."},
		Item{Path: "accounts[].name", X: "Authentication Account [] Name", Kind: text(1, 128), Required: true, Text: "User name."},
		Item{Path: "accounts[].password", X: "Authentication Account [] Password", Kind: secret(), Required: true, Text: "Its password."},
	)
}
