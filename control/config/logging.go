package config

// Log says what is logged, and where besides standard output (AL-02).
type Log struct {
	Level  Level            `yaml:"level"`
	File   string           `yaml:"file"`
	Levels []SubsystemLevel `yaml:"levels"`
	Syslog []Syslog         `yaml:"syslog"`
}

// Level is the least severe level that is logged.
type Level string

// SubsystemLevel is the level of one subsystem, where it differs.
type SubsystemLevel struct {
	Index int    `yaml:"-"`
	Name  string `yaml:"name"` // as in Module, or the beginning of it
	Level Level  `yaml:"level"`
}

// Syslog is a remote server that gets a copy of the log (RFC 5424).
type Syslog struct {
	Index     int             `yaml:"-"`
	Name      string          `yaml:"name"`
	Address   HostPort        `yaml:"address"`
	Transport SyslogTransport `yaml:"transport"`
	Level     Level           `yaml:"level"`
}

// SyslogTransport is how a copy travels.
type SyslogTransport string

// Syslog transports.
const (
	SyslogUDP SyslogTransport = "udp"
	SyslogTCP SyslogTransport = "tcp"
	SyslogTLS SyslogTransport = "tls"
)

func logItems() []Item {
	level := words("debug", "info", "warn", "error")
	items := peer(live(
		Item{Path: "log.level", X: "Log Level", Kind: level, Default: "info", Text: "Least severe level that is logged."},
		Item{Path: "log.file", X: "Log File", Kind: text(0, 4095).shown("absolute path, or `off`"), Unset: "event.log in system.state", Text: "Event log file, besides standard output. At 64 MiB it is renamed to *.1 and begun again."},
		Item{Path: "log.levels", X: "Logger Subsystem", Kind: entries("level", 64), Text: "Levels of single subsystems."},
		Item{Path: "log.levels[].name", X: "Logger Subsystem [] Name", Kind: text(1, 64), Required: true, Text: "Subsystem as Module names it, or the beginning of it: control, control.config."},
		Item{Path: "log.levels[].level", X: "Logger Subsystem [] Level", Kind: level, Default: "info", Text: "Its level."},
		Item{Path: "log.syslog", X: "Remote Syslog", Kind: entries("syslog server", 4), Text: "Servers that get a copy of the log (RFC 5424)."},
		Item{Path: "log.syslog[].name", X: "Remote Syslog [] Name", Kind: text(1, 64), Required: true, Text: "Name of the entry."},
		Item{Path: "log.syslog[].address", X: "Remote Syslog [] Address", Kind: one(TypeHost), Required: true, Text: "Server; without a port it is 514, or 6514 over TLS."},
		Item{Path: "log.syslog[].transport", X: "Remote Syslog [] Transport", Kind: words("udp=UDP", "tcp=TCP", "tls=TLS"), Default: "udp", Text: "How records travel."},
		Item{Path: "log.syslog[].level", X: "Remote Syslog [] Loglevel", Kind: level, Default: "info", Text: "Least severe level that is sent."},
	)...)
	for i := range items {
		if items[i].Path == "log.file" {
			items[i].Restart = RestartNode
		}
	}
	return items
}
