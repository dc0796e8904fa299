// Command gen makes the C enum, the Go enum and the page of the reasons from
// bpf/reasons.txt, so that program, metrics and documentation cannot differ.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"go/format"
	"log"
	"os"
	"strings"
)

type reason struct{ name, verdict, text string }

func main() {
	reasons, err := read("reasons.txt")
	if err != nil {
		log.Fatal(err)
	}
	src, err := format.Source(goFile(reasons))
	if err != nil {
		log.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"reasons.h":          header(reasons),
		"reasons_gen.go":     src,
		"../docs/reasons.md": page(reasons),
	} {
		if err := os.WriteFile(name, data, 0o644); err != nil {
			log.Fatal(err)
		}
	}
}

func read(name string) ([]reason, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var reasons []reason
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Fields(line)
		if len(f) < 3 {
			return nil, fmt.Errorf("%s:%d: want name, verdict and text", name, n)
		}
		reasons = append(reasons, reason{f[0], f[1], strings.Join(f[2:], " ")})
	}
	return reasons, lines.Err()
}

func header(reasons []reason) []byte {
	var b bytes.Buffer
	b.WriteString("/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */\n/* Code generated from reasons.txt. DO NOT EDIT. */\n#pragma once\n\nenum reason {\n")
	for _, r := range reasons {
		fmt.Fprintf(&b, "\tREASON_%s, /* %s */\n", strings.ToUpper(r.name), r.verdict)
	}
	b.WriteString("\tREASON_COUNT,\n};\n")
	return b.Bytes()
}

func goFile(reasons []reason) []byte {
	var b bytes.Buffer
	b.WriteString("// Code generated from reasons.txt. DO NOT EDIT.\n\npackage bpf\n\n// The reasons.\nconst (\n")
	for i, r := range reasons {
		fmt.Fprintf(&b, "\tReason%s", camel(r.name))
		if i == 0 {
			b.WriteString(" Reason = iota")
		}
		fmt.Fprintf(&b, " // %s: %s\n", r.verdict, r.text)
	}
	b.WriteString("\t// ReasonCount is how many reasons there are.\n\tReasonCount\n)\n\nvar reasons = [ReasonCount]struct {\n\tname, text string\n\tverdict Verdict\n}{\n")
	for _, r := range reasons {
		fmt.Fprintf(&b, "\tReason%s: {%q, %q, %s},\n", camel(r.name), r.name, r.text, camel(r.verdict))
	}
	b.WriteString("}\n")
	return b.Bytes()
}

func page(reasons []reason) []byte {
	var b bytes.Buffer
	b.WriteString("# Why a packet left the relay\n\nGenerated from `bpf/reasons.txt`. The counters are `turnpike_relay_exits_total{reason=\"...\"}` and\n`turnpike dataplane drops`. *forward*: relayed. *pass*: left untouched for the system and the process,\nwhich relays it if it can. *drop*: dropped.\n\n| reason | verdict | meaning |\n|---|---|---|\n")
	for _, r := range reasons {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", r.name, r.verdict, r.text)
	}
	return b.Bytes()
}

func camel(s string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(s, "_") {
		switch part {
		case "ip", "udp", "vlan":
			b.WriteString(strings.ToUpper(part))
		default:
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	return b.String()
}
