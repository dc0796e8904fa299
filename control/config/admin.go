package config

// Admin is how the node is administered. Metrics are on loopback only.
type Admin struct {
	Metrics    Listen         `yaml:"metrics"`
	Pprof      Switch         `yaml:"pprof"`
	HTTPS      AdminHTTPS     `yaml:"https"`
	SSH        Switch         `yaml:"ssh"`
	Console    Switch         `yaml:"console"`
	Protection Switch         `yaml:"protection"`
	Accounts   []AdminAccount `yaml:"accounts"`
}

// AdminHTTPS is the web pages' and REST API's listener.
type AdminHTTPS struct {
	Mode       Switch     `yaml:"mode"`
	Port       Port       `yaml:"port"`
	Redirect   Switch     `yaml:"redirect"` // from HTTP
	Interfaces AdminSides `yaml:"interfaces"`
}

// AdminSides are the interfaces that administration is on.
type AdminSides string

// Sides of administration. A node with one interface has it there either way.
const (
	AdminInternal AdminSides = "internal"
	AdminAllSides AdminSides = "all"
)

// AdminAccount is somebody who may administer.
type AdminAccount struct {
	Index    int       `yaml:"-"`
	Name     string    `yaml:"name"`
	Role     AdminRole `yaml:"role"`
	Password Secret    `yaml:"password"` // its argon2id hash, never itself
}

// AdminRole is what an administrator may do.
type AdminRole string

// Administrators' roles.
const (
	AdminRead    AdminRole = "read"
	AdminOperate AdminRole = "operate"
	AdminAll     AdminRole = "admin"
)

func adminItems() []Item {
	items := peer(
		Item{Path: "admin.metrics", X: "Administration Metrics Address", Kind: one(TypeListen).shown("loopback address and port, or `off`"), Default: "127.0.0.1:9464", Text: "Where /metrics, /healthz and pprof are served."},
		Item{Path: "admin.pprof", X: "Administration Pprof Mode", Kind: onOff(), Default: "on", Text: "Serve /debug/pprof there."},
		Item{Path: "admin.https.mode", X: "Administration HTTPS Mode", Kind: onOff(), Default: "off", Kept: true, Restart: RestartSubsystem, Text: "Administration over HTTPS: the REST API, for admin.accounts."},
		Item{Path: "admin.https.port", X: "Administration HTTPS Port", Kind: port(1), Default: "443", Restart: RestartSubsystem, Text: "Its port."},
		Item{Path: "admin.https.redirect", X: "Administration HTTP Mode", Kind: onOff(), Default: "off", Restart: RestartSubsystem, Text: "Send browsers that come over HTTP (port 80) to HTTPS."},
		Item{Path: "admin.https.interfaces", X: "Administration HTTPS Interfaces", Kind: words("internal", "all"), Default: "internal", Restart: RestartSubsystem, Text: "On which interfaces; with one interface only, on that."},
		Item{Path: "admin.ssh", X: "Administration SSH Mode", Kind: onOff(), Default: "on", Kept: true, Restart: RestartNone, Text: "Administration over SSH."},
		Item{Path: "admin.console", X: "Administration Serial Mode", Kind: onOff(), Default: "on", Restart: RestartNone, Text: "Administration at the console."},
		Item{Path: "admin.protection", X: "Administration Protection Mode", Kind: onOff(), Default: "on", Restart: RestartNone, Text: "Shut out addresses that fail to log in again and again."},
	)
	accounts := live(
		Item{Path: "admin.accounts", X: "Administration Account", Kind: entries("account", 64), Kept: true, Text: "Who may administer over the network; root on the machine always may."},
		Item{Path: "admin.accounts[].name", X: "Administration Account [] Name", Kind: text(1, 64), Required: true, Kept: true, Text: "User name."},
		Item{Path: "admin.accounts[].role", X: "Administration Account [] Role", Kind: words("read", "operate", "admin"), Default: "read", Kept: true, Text: "Look; also end calls and drain; also change the configuration."},
		Item{Path: "admin.accounts[].password", X: "Administration Account [] Password", Kind: secret(), Required: true, Kept: true, Text: "Hash of the password (argon2id), as `turnpike account hash` makes it."},
	)
	return awaits(awaitsAccess, append(items, accounts...), "admin.ssh", "admin.console")
}
