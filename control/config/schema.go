package config

// Item describes one key: the reference page and the reload report come from it.
type Item struct {
	Path    string // turn.users[].name
	Type    string // what may be written
	Default string // what leaving it out means
	// Live: `turnpike reload` applies a change; otherwise the node must be started again.
	Live bool
	// Peer: the item belongs to this node and is never shared with a cluster (PS).
	Peer bool
	Text string
}

// Schema returns every key of a node file, in the order of the reference page.
func Schema() []Item {
	return []Item{
		{Path: "system.name", Type: "letters, digits, hyphens", Default: "required", Peer: true, Text: "Name of the node, as logs, status and pins show it."},
		{Path: "system.role", Type: "`E` or `C`", Default: "E", Text: "Edge or core. TURN is an edge's work."},
		{Path: "system.platform", Type: "`CE1200`, `Large`, `Medium`, `Small`, `custom`", Default: "Large", Text: "Size of the machine; sets the limits (6000 relays on CE1200 and Large, 1800 on Medium and Small)."},
		{Path: "system.state", Type: "absolute path", Default: "/var/lib/turnpike", Peer: true, Text: "Directory of the node's socket, journal and keys. No two nodes may share one."},

		{Path: "interfaces.internal.name", Type: "interface", Default: "none", Peer: true, Text: "Interface towards the own network. One of the two may be left out."},
		{Path: "interfaces.external.name", Type: "interface", Default: "none", Peer: true, Text: "Interface towards the internet. Relays are on it."},
		{Path: "interfaces.external.static_nat", Type: "IP address", Default: "none", Peer: true, Text: "Address that clients are told instead of the external interface's own of the same family, because a NAT in front maps it one to one."},

		{Path: "turn.mode", Type: "`on` or `off`", Default: "off", Text: "The TURN server."},
		{Path: "turn.port", Type: "1024–65534", Default: "3478", Text: "Port for requests, UDP and TCP; with multiplexing off the first of six on CE1200 and Large."},
		{Path: "turn.multiplexing", Type: "`on` or `off`", Default: "on", Text: "One request port for all relays. Off: six ports with 1000 relays each on CE1200 and Large."},
		{Path: "turn.tcp", Type: "`on` or `off`", Default: "on", Text: "Clients over TCP on the same ports. Their media goes through the process, not through XDP."},
		{Path: "turn.tls.port", Type: "1024–65534", Default: "5349", Text: "Port for clients over TLS. Without the section there is none."},
		{Path: "turn.tls.certificate", Type: "file", Default: "required", Live: true, Peer: true, Text: "Certificate chain in PEM. `reload` reads it again."},
		{Path: "turn.tls.key", Type: "file", Default: "required", Live: true, Peer: true, Text: "Private key in PEM. `reload` reads it again."},
		{Path: "turn.realm", Type: "text", Default: "turnpike", Text: "Realm that passwords belong to."},
		{Path: "turn.users[].name", Type: "text, up to 508 bytes", Default: "none", Live: true, Text: "User of a long-term credential. Taking it away ends the user's relays at once."},
		{Path: "turn.users[].password", Type: "text", Default: "required", Live: true, Text: "Its password."},
		{Path: "turn.secrets", Type: "list of texts", Default: "none", Live: true, Text: "Shared secrets of time-limited credentials: user `unixtime:id`, password base64(HMAC-SHA1(secret, user))."},
		{Path: "turn.media_ports.start", Type: "1024–65534, even", Default: "24000", Text: "First relay port. Keep the range out of `net.ipv4.ip_local_port_range`."},
		{Path: "turn.media_ports.end", Type: "1025–65535, odd", Default: "29999", Text: "Last relay port."},
		{Path: "turn.max_relays", Type: "1–65536", Default: "required for custom", Text: "Relay limit of platform custom; the other platforms bring their own."},
		{Path: "turn.quota_per_user", Type: "relays, 0: none", Default: "0", Text: "Relays that one user may have at a time."},
		{Path: "turn.rate_kbps", Type: "kbit/s, 0: none", Default: "0", Text: "What each flow of a relay may send, counted as media payload."},
		{Path: "turn.connections_per_source", Type: "1–1000", Default: "200", Text: "TCP and TLS connections without a relay that one address (IPv6: one /64) may have. In all there are at most 1000; then the oldest goes."},
		{Path: "turn.deny", Type: "list of prefixes", Default: "none", Live: true, Text: "Addresses that nobody may relay to, besides those that are always refused (loopback, link-local, multicast, reserved, the node's own)."},
		{Path: "turn.allow_loopback", Type: "`on` or `off`", Default: "off", Text: "Allow peers in 127.0.0.0/8. For trying things out on one machine only."},

		{Path: "dataplane.mode", Type: "`auto`, `xdp`, `userspace`", Default: "auto", Text: "Who relays: XDP where it can run and else the process; XDP or the node does not start; the process alone."},
		{Path: "dataplane.generic_xdp", Type: "`on` or `off`", Default: "off", Text: "Use generic XDP on interfaces whose driver has no native one. It is slower than it looks; off says so instead of hiding it."},

		{Path: "admin.metrics", Type: "loopback address and port, or `off`", Default: "127.0.0.1:9464", Peer: true, Text: "Where /metrics, /healthz and pprof are served."},
		{Path: "admin.pprof", Type: "`on` or `off`", Default: "on", Peer: true, Text: "Serve /debug/pprof there."},

		{Path: "log.level", Type: "`debug`, `info`, `warn`, `error`", Default: "info", Live: true, Peer: true, Text: "Least severe level that is logged."},
		{Path: "log.file", Type: "absolute path, or `off`", Default: "event.log in system.state", Peer: true, Text: "Event log file, besides standard output. At 64 MiB it is renamed to *.1 and begun again."},
	}
}
