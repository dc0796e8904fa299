package config

// Pipe models an access line (BW-01).
type Pipe struct {
	Index   int    `yaml:"-"`
	Name    string `yaml:"name"`
	Total   Limit  `yaml:"total"`
	PerCall Limit  `yaml:"per_call"`
	// Policing holds what crosses the pipe on this node to what its calls were granted (BW-06).
	Policing Switch `yaml:"policing"`
}

// Link joins two zones or subzones, over up to two pipes in series.
type Link struct {
	Index int    `yaml:"-"`
	Name  string `yaml:"name"`
	Node1 string `yaml:"node1"`
	Node2 string `yaml:"node2"`
	Pipe1 string `yaml:"pipe1"`
	Pipe2 string `yaml:"pipe2"`
}

// Bandwidth is how calls get their bandwidth (facts A1.4, A1.5).
type Bandwidth struct {
	DefaultKbps      int    `yaml:"default_kbps"`
	DownspeedPerCall Switch `yaml:"downspeed_per_call"`
	DownspeedTotal   Switch `yaml:"downspeed_total"`
	// Policy is that of pipes and subzones, which the peers of a cluster share.
	Policy SharingPolicy `yaml:"policy"`
	// PolicingMargin is the percent of its grant that a call may send beyond it (BW-06).
	PolicingMargin int       `yaml:"policing_margin"`
	OverGrant      OverGrant `yaml:"over_grant"`
}

// OverGrant is what becomes of a call that goes on sending more than it was granted.
type OverGrant string

// What may become of it. Either way an event tells of it.
const (
	OverGrantLog        OverGrant = "log"
	OverGrantDisconnect OverGrant = "disconnect"
)

func bandwidthItems() []Item {
	items := live(
		Item{Path: "pipes", X: "Bandwidth Pipe", Kind: entries("pipe", 1000), Text: "Access lines that links go over."},
		Item{Path: "pipes[].name", X: "Bandwidth Pipe [] Name", Kind: text(1, 50), Required: true, Text: "Name of the pipe."},
	)
	items = append(items, limitItems("pipes[].total", "Bandwidth Pipe [] Bandwidth Total", defaultTotal, "Bandwidth of all calls over the pipe, in both directions and over all its links.")...)
	items = append(items, limitItems("pipes[].per_call", "Bandwidth Pipe [] Bandwidth PerCall", defaultPerCall, "Bandwidth of one call over the pipe.")...)
	items = append(items, live(Item{Path: "pipes[].policing", X: "Bandwidth Pipe [] Policing Mode", Kind: onOff(), Default: "off", Text: "Hold calls over the pipe, and all of them together, to what they were granted."})...)
	ends := nameOf("subzones", "zones").or(DefaultSubzoneName, TraversalSubzoneName, ClusterSubzoneName, DefaultZoneName)
	return append(items, live(
		Item{Path: "links", X: "Bandwidth Link", Kind: entries("link", 3000), Unset: "the three that are shipped", Text: "Which zones and subzones calls may go between. A new zone or subzone without a link gets those it needs."},
		Item{Path: "links[].name", X: "Bandwidth Link [] Name", Kind: text(1, 50), Required: true, Text: "Name of the link."},
		Item{Path: "links[].node1", X: "Bandwidth Link [] Node1 Name", Kind: ends, Required: true, Text: "One end."},
		Item{Path: "links[].node2", X: "Bandwidth Link [] Node2 Name", Kind: ends, Required: true, Text: "The other end."},
		Item{Path: "links[].pipe1", X: "Bandwidth Link [] Pipe1 Name", Kind: nameOf("pipes"), Text: "First pipe of the link."},
		Item{Path: "links[].pipe2", X: "Bandwidth Link [] Pipe2 Name", Kind: nameOf("pipes"), Text: "Second pipe of the link."},
		Item{Path: "bandwidth.default_kbps", X: "Bandwidth Default", Kind: integer(64, 65535), Default: "384", Text: "Bandwidth of calls that ask for none, in kbit/s."},
		Item{Path: "bandwidth.downspeed_per_call", X: "Bandwidth Downspeed PerCall Mode", Kind: onOff(), Default: "on", Text: "A call that asks for more than one call may have gets what it may have, instead of being refused."},
		Item{Path: "bandwidth.downspeed_total", X: "Bandwidth Downspeed Total Mode", Kind: onOff(), Default: "on", Text: "A call that asks for more than is left gets what is left, instead of being refused."},
		Item{Path: "bandwidth.policy", X: "Bandwidth Sharing Policy", Kind: words("available=Available", "strict=Strict"), Default: "available", Text: "Bandwidth of pipes and subzones that a lost peer of the cluster has: `available`: the others take it over, and each side of a partition counts for itself; `strict`: it stays the lost peer's."},
		Item{Path: "bandwidth.policing_margin", X: "Bandwidth Policing Margin", Kind: integer(5, 100), Default: "10", Text: "What a policed call may send beyond its grant, in percent: room for RTCP and for packets sent again."},
		Item{Path: "bandwidth.over_grant", X: "Bandwidth OverGrant Action", Kind: words("log", "disconnect"), Default: "log", Text: "What becomes of a policed call that goes on sending more than it was granted: an event only, or its end."},
	)...)
}
