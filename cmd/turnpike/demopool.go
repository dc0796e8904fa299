package main

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"text/tabwriter"
	"time"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/sharing"
	"turnpike.dev/turnpike/licensing"
)

const (
	// demoDesks is how many desktop licences the key of each of two nodes gives: the cluster has twice as many.
	demoDesks = 20
	// demoRooms is enough for the phones, wherever they register.
	demoRooms = 40

	// What devices call themselves that take the one and the other.
	demoDesk, demoRoom = "Jabber", "Room"
)

// poolPicture is what the nodes say of one kind of licences at one moment.
type poolPicture struct {
	When  string         `json:"when"`
	Nodes []poolPart     `json:"nodes"`
	Whole sharing.Part   `json:"cluster"` // as the first node sees it
	State sharing.Status `json:"sharing"`
}

// poolPart is what one node has of it.
type poolPart struct {
	Node string       `json:"node"`
	Here sharing.Part `json:"here"`
	// Refused are the devices that it refused so far, by reason.
	Refused sharing.Refusals `json:"refused,omitempty"`
	Note    string           `json:"note,omitempty"`
}

// write writes a picture as a table.
func (p poolPicture) write(w *tabwriter.Writer) {
	_, _ = fmt.Fprintf(w, "\n# desktop licences, %s: %g used, %g granted, of %g\nNODE\tBRINGS\tMAY USE\tUSES\tREFUSED\t\n", p.When, p.Whole.Used, p.Whole.Granted, p.Whole.Total)
	for _, n := range p.Nodes {
		_, _ = fmt.Fprintf(w, "%s\t%g\t%g\t%g\t%s\t%s\n", n.Node, n.Here.Total, n.Here.Granted, n.Here.Used, orDash(printableText(n.Refused.Text())), n.Note)
	}
}

// demoPool is one pool of licences that two nodes use up.
type demoPool struct {
	stage *clusterStage
	next  int         // device
	at    map[int]int // by device, the node that has it
}

// license gives two nodes keys, and returns when all four have one pool of which both can use some.
func (d *demoPool) license(ctx context.Context) error {
	s := d.stage
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}
	_, err = s.nodes[0].api.ConfigPropose(ctx, api.Proposal{Operations: []config.Operation{
		{Verb: config.Add, Path: "licensing.issuers", Text: "demo"},
		{Verb: config.Set, Path: "licensing.issuers[demo].public_key", Text: base64.RawURLEncoding.EncodeToString(public)},
	}})
	if err != nil {
		return fmt.Errorf("name the issuer: %w", err)
	}
	for i, gives := range map[int]map[licensing.Feature]int{0: {licensing.RoomSystem: demoRooms, licensing.DesktopSystem: demoDesks}, 2: {licensing.DesktopSystem: demoDesks}} {
		if err := s.nodes[i].install(ctx, private, gives); err != nil {
			return fmt.Errorf("install keys on tp%d: %w", i+1, err)
		}
	}
	err = s.everywhere(ctx, func(n *stagePeer) (bool, error) {
		u, err := n.desks(ctx)
		return u.Cluster.Total == 2*demoDesks && u.State == sharing.StateShared, err
	})
	for node := 0; err == nil && node < 3; node += 2 {
		for _, device := range []string{demoRoom, demoDesk} {
			err = errors.Join(err, d.try(ctx, node, device))
		}
	}
	return err
}

// try has a device register with a node and go again.
func (d *demoPool) try(ctx context.Context, node int, device string) error {
	err := until(ctx, func() (bool, error) {
		status, err := d.register(ctx, node, 0, device, time.Minute)
		return status == 200, err
	})
	if err == nil {
		_, err = d.register(ctx, node, 0, device, 0)
	}
	return err
}

// install gives a node option keys, as soon as it knows their issuer.
func (p *stagePeer) install(ctx context.Context, by ed25519.PrivateKey, gives map[licensing.Feature]int) error {
	known := func(n *stagePeer) (bool, error) {
		l, err := n.api.Licences(ctx)
		return len(l.Issuers) > 0, err
	}
	if err := until(ctx, func() (bool, error) { return known(p) }); err != nil {
		return err
	}
	l, err := p.api.Licences(ctx)
	if err != nil {
		return err
	}
	for feature, count := range gives {
		key, err := licensing.Key{Feature: feature, Count: count, Node: l.Node, Serial: string(feature)}.Sign(by)
		if err != nil {
			return err
		}
		if err := p.api.InstallKey(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// desks is what a node says of desktop licences.
func (p *stagePeer) desks(ctx context.Context) (api.LicenceUse, error) {
	l, err := p.api.Licences(ctx)
	for _, u := range l.Use {
		if u.Name == "desktop" {
			return u, err
		}
	}
	return api.LicenceUse{}, err
}

// drain has devices register with nodes, one after the other at each in turn, until none takes another.
func (d *demoPool) drain(ctx context.Context, nodes ...int) error {
	full := map[int]bool{}
	for turn := 0; len(full) < len(nodes); turn++ {
		node := nodes[turn%len(nodes)]
		if full[node] {
			continue
		}
		status, err := d.register(ctx, node, d.next, demoDesk, time.Hour)
		switch {
		case err != nil:
			return err
		case status == 200:
			d.at[d.next] = node
			d.next++
		case d.next == 0:
			return fmt.Errorf("tp%d refuses the first device: %d", node+1, status)
		default:
			full[node] = true
		}
	}
	return nil
}

// empty has devices register with nodes until all licences are used, and not one more than there are. Who is refused comes
// again, as phones do.
func (d *demoPool) empty(ctx context.Context, nodes ...int) error {
	err := until(ctx, func() (bool, error) {
		err := d.drain(ctx, nodes...)
		return d.next >= 2*demoDesks, err
	})
	if err != nil {
		return err
	}
	if d.next != 2*demoDesks {
		return fmt.Errorf("%d devices are registered by %d licences", d.next, 2*demoDesks)
	}
	return d.stage.everywhere(ctx, func(n *stagePeer) (bool, error) {
		u, err := n.desks(ctx)
		return u.Cluster.Used == 2*demoDesks, err
	})
}

// takeOver has the devices of a lost peer register with another node until all licences are used again: they are free a moment
// after it is missed.
func (d *demoPool) takeOver(ctx context.Context, from, node int) error {
	for device, at := range d.at {
		if at != from {
			continue
		}
		err := until(ctx, func() (bool, error) {
			status, err := d.register(ctx, node, device, demoDesk, time.Hour)
			return status == 200, err
		})
		if err != nil {
			return err
		}
		d.at[device] = node
	}
	return d.uses(ctx, node, 2*demoDesks)
}

// uses returns when a node uses so many licences.
func (d *demoPool) uses(ctx context.Context, node int, many float64) error {
	return until(ctx, func() (bool, error) {
		u, err := d.stage.nodes[node].desks(ctx)
		return u.Here.Used == many, err
	})
}

// leave has so many devices of a node go.
func (d *demoPool) leave(ctx context.Context, node, many int) error {
	for device, at := range d.at {
		if many == 0 {
			break
		}
		if at != node {
			continue
		}
		if status, err := d.register(ctx, node, device, demoDesk, 0); err != nil || status != 200 {
			return errors.Join(fmt.Errorf("device %d leaves tp%d: %d", device, node+1, status), err)
		}
		delete(d.at, device)
		many--
	}
	return nil
}

// hand has devices of one node go, and others register with another one until all licences are used: the node that was
// away gets its share again, and all count by one table.
func (d *demoPool) hand(ctx context.Context, from, to int) error {
	if err := d.leave(ctx, from, demoDesks); err != nil {
		return err
	}
	err := until(ctx, func() (bool, error) {
		if err := d.drain(ctx, to); err != nil {
			return false, err
		}
		u, err := d.stage.nodes[to].desks(ctx)
		return u.Here.Used == demoDesks, err
	})
	return errors.Join(err, d.healed(ctx))
}

// healed returns when all nodes count by one table in which no more is granted than there is.
func (d *demoPool) healed(ctx context.Context) error {
	return d.stage.everywhere(ctx, func(n *stagePeer) (bool, error) {
		u, err := n.desks(ctx)
		return u.State == sharing.StateShared && u.Cluster.Total == 2*demoDesks && u.Cluster.Granted <= u.Cluster.Total && u.Cluster.Used <= u.Cluster.Total, err
	})
}

// show keeps what the nodes say of the pool now.
func (d *demoPool) show(ctx context.Context, when string) error {
	p := poolPicture{When: when}
	for i, n := range d.stage.nodes {
		part := poolPart{Node: fmt.Sprintf("tp%d", i+1)}
		if !n.runs() {
			part.Note = "killed"
			p.Nodes = append(p.Nodes, part)
			continue
		}
		l, err := n.api.Licences(ctx)
		if err != nil {
			return err
		}
		u, err := n.desks(ctx)
		if err != nil {
			return err
		}
		part.Here, part.Refused, part.Note = u.Here, u.Refusals, u.StateText()
		p.Nodes = append(p.Nodes, part)
		if i == 0 {
			p.Whole, p.State = u.Cluster, l.Sharing
		}
	}
	d.stage.report.Pool = append(d.stage.report.Pool, p)
	d.stage.tell(p.write)
	return nil
}

// register sends a REGISTER of a device to a node and returns the status of the answer.
func (d *demoPool) register(ctx context.Context, node, number int, device string, expires time.Duration) (status int, err error) {
	host := d.stage.lab.Phones[0]
	err = host.Do(func() error {
		status, err = registerDesk(ctx, netip.AddrPortFrom(d.stage.lab.Outside(node), demoSIP), number, device, expires)
		return err
	})
	return status, err
}

// registerDesk registers a device over UDP, and sends again while it hears nothing.
func registerDesk(ctx context.Context, to netip.AddrPort, number int, device string, expires time.Duration) (status int, err error) {
	c, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		return 0, err
	}
	defer c.Close() //nolint:errcheck // nothing was written that is not sent
	at, tag := c.LocalAddr(), time.Now().UnixNano()
	message := fmt.Appendf(nil, "REGISTER sip:%[1]s SIP/2.0\r\nVia: SIP/2.0/UDP %[2]s;branch=z9hG4bK%[3]d;rport\r\nMax-Forwards: 70\r\n"+
		"From: <sip:desk%[4]d@%[1]s>;tag=%[3]d\r\nTo: <sip:desk%[4]d@%[1]s>\r\nCall-ID: %[3]d\r\nCSeq: 1 REGISTER\r\n"+
		"Contact: <sip:desk%[4]d@%[7]s>\r\nExpires: %[5]d\r\nUser-Agent: %[6]s\r\nContent-Length: 0\r\n\r\n", demoDomain, at, tag, number, int(expires/time.Second), device, c.LocalAddr().(*net.UDPAddr).IP)
	answer := make([]byte, 4096)
	for wait := time.Second; wait < 16*time.Second && ctx.Err() == nil; wait *= 2 {
		if _, err := c.Write(message); err != nil {
			return 0, err
		}
		if err := c.SetReadDeadline(time.Now().Add(wait)); err != nil {
			return 0, err
		}
		for {
			n, err := c.Read(answer)
			if err != nil {
				break // it is sent again
			}
			if _, err := fmt.Sscanf(string(answer[:n]), "SIP/2.0 %d", &status); err == nil && status >= 200 {
				return status, nil
			}
		}
	}
	return 0, fmt.Errorf("device %d has no answer of %s", number, to)
}

// until waits until something is so.
func until(ctx context.Context, so func() (bool, error)) error {
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		is, err := so()
		if err != nil || is {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-look.C:
		}
	}
}
