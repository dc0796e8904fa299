package runner

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
)

// secondOfPCMU is a second of silence as G.711 µ-law has it, for rtp_stream, which plays
// it over and over.
const secondOfPCMU = 8000

// writeFiles writes what the scenario reads from its working directory.
func (p *Process) writeFiles(scenario []byte) error {
	errs := []error{
		os.WriteFile(p.file("scenario.xml"), scenario, 0o600),
		os.WriteFile(p.file("audio.pcmu"), bytes.Repeat([]byte{0xff}, secondOfPCMU), 0o600),
	}
	if len(p.cfg.Users) > 0 {
		lines := "SEQUENTIAL\n" + strings.Join(p.cfg.Users, "\n") + "\n"
		errs = append(errs, os.WriteFile(p.file("users.csv"), []byte(lines), 0o600))
	}
	if p.cfg.Pcap != nil {
		errs = append(errs, os.WriteFile(p.file("video.pcap"), p.cfg.Pcap, 0o600))
	}
	return errors.Join(errs...)
}

// said is the end of what SIPp printed and of its file of errors.
func (p *Process) said() string {
	const most = 1500
	var all string
	for _, name := range []string{"errors", "said"} {
		text, err := os.ReadFile(p.file(name))
		if err != nil || len(text) == 0 {
			continue
		}
		if name == "errors" { // the first ones say why
			text = text[:min(len(text), most)]
		}
		all += "\n" + string(text[max(0, len(text)-most):])
		if name == "errors" {
			break
		}
	}
	return all
}

// User is a line of Config.Users for scenarios that register: [field0] is the name,
// [field1] the domain, and [field2] the answer to a challenge.
func User(name, domain, password string) string {
	return fmt.Sprintf("%s;%s;[authentication username=%s password=%s]", name, domain, name, password)
}
