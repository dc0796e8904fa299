package endtoend_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/nodetest"
)

// ME-03: an interface goes and comes back under a running node. Relays say that they
// are not on XDP, and why, and then go on as before.
func TestInterfaceGoesAndComesBack(t *testing.T) {
	nodetest.Built(t)
	t.Parallel()
	for _, name := range []string{"s0", "s1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, newNode(t, lab.Options{}, file{}), 5)
			before := s.list(t)
			if err := s.Lab.Unplug(name); err != nil {
				t.Fatal(err)
			}
			s.awaitPath(t, "userspace", "198.18.") // the address that is gone with it
			s.checkDegraded(t, name)
			if err := s.Lab.Plug(name); err != nil {
				t.Fatal(err)
			}
			s.awaitPath(t, "xdp", "")
			s.checkSame(t, before, s.list(t), true)
			if st, err := s.API.Status(t.Context()); err != nil || len(st.Degraded) > 0 {
				t.Errorf("still degraded: %v, %v", st.Degraded, err)
			}

			if name == "s0" {
				s.toUser = attach(t, s.Lab.Client, "c0")
			} else {
				s.toPeer = attach(t, s.Lab.Peer, "p0")
			}
			traffic := startTraffic(t, 4000, s)
			s.flowing(t)
			s.noLoss(t, traffic.end(t)[0])
			s.checkNewRelays(t)
		})
	}
}

func (s *site) checkDegraded(t *testing.T, name string) {
	t.Helper()
	st, err := s.API.Status(t.Context())
	if err != nil || len(st.Degraded) == 0 || !strings.Contains(st.Degraded[0], name) {
		t.Errorf("status does not say what is wrong: %v, %v", st.Degraded, err)
	}
}

// The pinned program went with the interface; the next process puts its own on the new one.
func TestInterfaceIsAnotherAfterARestart(t *testing.T) {
	nodetest.Built(t)
	t.Parallel()
	s := newSite(t, newNode(t, lab.Options{}, file{}), 5)
	before := s.list(t)
	s.End(t, unix.SIGKILL)
	if err := errors.Join(s.Lab.Unplug("s0"), s.Lab.Plug("s0")); err != nil {
		t.Fatal(err)
	}
	s.Start(t)
	s.awaitPath(t, "xdp", "")
	s.checkSame(t, before, s.list(t), true)
	s.toUser = attach(t, s.Lab.Client, "c0")
	traffic := startTraffic(t, 4000, s)
	s.flowing(t)
	s.noLoss(t, traffic.end(t)[0])
}

// ME-04: an interface gets another name under a running node. No packet is lost, and the
// status says what to do before the next start.
func TestInterfaceIsRenamed(t *testing.T) {
	nodetest.Built(t)
	t.Parallel()
	s := newSite(t, newNode(t, lab.Options{}, file{}), 5)
	traffic := startTraffic(t, 4000, s)
	s.flowing(t)
	nl := s.Lab.Node.Netlink()
	link, err := nl.LinkByName("s1")
	if err != nil {
		t.Fatal(err)
	}
	if err := nl.LinkSetName(link, "wan"); err != nil {
		t.Fatal(err)
	}
	s.awaitReason(t, "s1", "it is called wan now")
	s.flowing(t)
	s.noLoss(t, traffic.end(t)[0])
	s.awaitPath(t, "xdp", "")
	s.checkNewRelays(t)
}

// awaitReason waits until the status says something of an interface that XDP is on.
func (s *site) awaitReason(t *testing.T, name, reason string) {
	t.Helper()
	nodetest.Eventually(t, 20*time.Second, "the status of "+name, func() error {
		st, err := s.API.Status(t.Context())
		if err != nil {
			return err
		}
		for _, i := range st.Interfaces {
			if i.Name == name && strings.Contains(i.Reason, reason) && i.Path == "xdp" {
				return nil
			}
		}
		return fmt.Errorf("interfaces are %+v", st.Interfaces)
	})
}
