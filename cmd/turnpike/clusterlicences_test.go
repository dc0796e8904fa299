package main

import (
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/control/api"
)

// register sends a REGISTER to a node from its own namespace and returns the answer's status.
func (p *pair) register(at string, n *pairNode, user string, expires int) (status string) {
	p.t.Helper()
	err := n.host.Do(func() error {
		c, err := net.Dial("udp4", at+":5060")
		if err != nil {
			return err
		}
		defer c.Close()
		own := c.LocalAddr().String()
		tag := fmt.Sprintf("%s%d", user, time.Now().UnixNano())
		_, err = fmt.Fprintf(c, "REGISTER sip:example.test SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s;rport\r\nMax-Forwards: 70\r\n"+
			"From: <sip:%s@example.test>;tag=%s\r\nTo: <sip:%s@example.test>\r\nCall-ID: %s\r\nCSeq: 1 REGISTER\r\n"+
			"Contact: <sip:%s@198.18.0.9:5070>\r\nExpires: %d\r\nUser-Agent: Room\r\nContent-Length: 0\r\n\r\n", own, tag, user, tag, user, tag, user, expires)
		if err != nil {
			return err
		}
		if err := c.SetReadDeadline(time.Now().Add(8 * time.Second)); err != nil { // a node that has just started has its first share in 6 s
			return err
		}
		answer := make([]byte, 4096)
		for {
			k, err := c.Read(answer)
			if err != nil {
				return err
			}
			if status = string(answer[:k])[len("SIP/2.0 "):][:3]; status != "100" {
				return nil
			}
		}
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return status
}

// licences is what a node says of one kind.
func (p *pair) licences(n *pairNode, name string) api.LicenceUse {
	p.t.Helper()
	l, err := api.NewClient(n.state).Licences(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	for _, u := range l.Use {
		if u.Name == name {
			return u
		}
	}
	return api.LicenceUse{}
}

// LI-01, LI-02, LI-03, LI-06: the licences that one peer's key gives are used through the other, never more of them than there are, and they
// stay when that peer is killed.
func TestLicencesOfACluster(t *testing.T) {
	p := newPairWith(t, "sip: {mode: on, udp: 5060}\ndomains: [example.test]\ndefault_subzone: {authentication: treat_as_authenticated}\n")
	one, two := p.nodes[0], p.nodes[1]
	p.formed()
	file := filepath.Join(t.TempDir(), "issuer.pem")
	public := regexp.MustCompile(`public_key=(\S{43})`).FindStringSubmatch(p.run(one, "licence", "keygen", "--out", file))
	p.run(one, "config", "add", "licensing.issuers", "development", "public_key="+public[1])
	p.within(2*time.Second, "the issuer on the other", func() bool { return strings.Contains(p.run(two, "config", "show"), public[1]) })
	for n, feature := range map[*pairNode]string{one: "room", two: "desktop"} {
		l, err := api.NewClient(n.state).Licences(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p.run(n, "licence", "add", p.run(n, "licence", "sign", "--key", file, "--node", l.Node, "--feature", feature, "--count", "2"))
	}
	p.within(10*time.Second, "two rooms for both", func() bool {
		return p.licences(one, "room").Cluster.Total == 2 && p.licences(two, "room").Cluster.Total == 2 && p.licences(two, "room").Here.Total == 0
	})
	p.within(10*time.Second, "shares of the two", func() bool {
		return p.licences(one, "room").Here.Granted+p.licences(two, "room").Here.Granted <= 2
	})
	accepted := func(n *pairNode, at, user string, d time.Duration) {
		t.Helper()
		p.within(d, user+" is registered", func() bool { return p.register(at, n, user, 3600) == "200" })
	}
	p.showsOneTable(one, two)
	start := time.Now()
	accepted(two, "198.18.0.2", "first", 5*time.Second)
	accepted(two, "198.18.0.2", "second", 5*time.Second) // what is idle on the other
	t.Logf("both were there after %s", time.Since(start).Round(time.Millisecond))
	for n, at := range map[*pairNode]string{one: "198.18.0.1", two: "198.18.0.2"} {
		if status := p.register(at, n, "third", 3600); status == "200" {
			t.Errorf("a third of two at %s", at)
		}
	}
	p.within(5*time.Second, "all are used", func() bool {
		return p.licences(one, "room").Cluster.Used == 2 && p.licences(one, "room").Here.Used == 0 && p.licences(two, "room").Here.Used == 2
	})

	p.stop(one, unix.SIGKILL)
	if status := p.register("198.18.0.2", two, "second", 0); status != "200" {
		t.Errorf("to unregister: %s", status)
	}
	start = time.Now()
	accepted(two, "198.18.0.2", "fourth", 15*time.Second)
	t.Logf("without the other: %s", time.Since(start).Round(time.Millisecond))
	if u := p.licences(two, "room"); u.Cluster.Total != 2 {
		t.Errorf("the lost peer's licences: %+v", u)
	}
	p.showsApart(two)
	p.start(one)
	p.formed()
	p.showsTogether(two)
	p.within(15*time.Second, "one ledger again", func() bool { return p.licences(one, "room").Cluster.Used == 2 })
	if status := p.register("198.18.0.1", one, "fifth", 3600); status == "200" {
		t.Error("who comes back has what the other uses")
	}
}
