package sipp_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"turnpike.dev/turnpike/deploy/sipp/agent"
	"turnpike.dev/turnpike/licensing"
)

// issuer signs the option keys of these tests.
type issuer struct {
	public  ed25519.PublicKey
	private ed25519.PrivateKey
}

func newIssuer(t *testing.T) issuer {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return issuer{public, private}
}

// section has a node believe the issuer.
func (i issuer) section() string {
	return fmt.Sprintf("licensing: {issuers: [{name: tests, public_key: %s}]}", base64.RawURLEncoding.EncodeToString(i.public))
}

// install gives a node licences.
func (i issuer) install(t *testing.T, n *node, f licensing.Feature, count int) {
	t.Helper()
	st, err := n.API.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	key, err := licensing.Key{Feature: f, Count: count, Node: st.ID, Serial: "1"}.Sign(i.private)
	if err != nil {
		t.Fatal(err)
	}
	n.Command(t, 0, "licence", "add", key)
}

// LI-01, LI-04, CA-04: strangers use the rich media sessions up and the next one is refused;
// calls between registered phones need none. A call counts as video until it is set up, and
// audio then takes half (facts A3): two sessions are three calls of audio, because the
// fourth finds only a half.
func TestLicencesAreUsedUp(t *testing.T) {
	t.Parallel()
	const sessions = 2
	by := newIssuer(t)
	n := newSites(t, site{more: by.section()})
	by.install(t, n, licensing.RichMediaSession, sessions)
	by.install(t, n, licensing.RoomSystem, sessions)
	for _, tt := range []struct {
		name  string
		video int
		fit   int
	}{
		{"video", videoPort, sessions},
		{"audio", audioOnly, 2*sessions - 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			answering := n.answering(t, 10, tt.video)
			for i := range tt.fit {
				if c := n.one(t, i, 64, tt.video); c.Status != 0 {
					t.Errorf("%+v, want %d calls", c, tt.fit)
				}
				n.standing(t, i+1)
			}
			wantFull(t, n.one(t, tt.fit, 64, tt.video))
			if tt.video != audioOnly {
				n.raised(t, 30020)
				n.registeredCall(t)
			}
			n.standing(t, tt.fit)
			n.hangUp(t)
			n.idle(t)
			if err := answering.Close(); err != nil { // the next one has the same port
				t.Error(err)
			}
		})
	}
}

// registeredCall has alice call bob, both registered here.
func (n *node) registeredCall(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	bob := n.agent(ctx, t, n.Lab.Peer, agent.Options{Name: "bob", Transport: "tls", Local: netip.AddrPortFrom(n.Lab.PeerAddrs.V4[1], 5066), Server: n.far()})
	alice := n.agent(ctx, t, n.Lab.Client, agent.Options{Name: "alice", Transport: "tls", Local: netip.AddrPortFrom(n.Lab.ClientAddrs.V4[1], 5066), Server: n.near(), Call: "bob"})
	for _, a := range []*agent.Process{alice, bob} {
		if r, err := a.Next(ctx); err != nil || r.Received == 0 {
			t.Errorf("a call between registered phones: %+v, %v", r, err)
		}
	}
}
