package peers

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"turnpike.dev/turnpike/perf/lab"
)

// What every SIP server is configured with: all users have Password.
const (
	SIPPort = 5060
	TLSPort = 5061
	Domain  = "example.test"
	// CalleePort is where the side that is called listens, on the lab's peer.
	CalleePort = 5070
	// CallerPort is where the side that calls sends from.
	CallerPort = 5062
)

//go:embed kamailio.cfg
var kamailioConfig string

// KamailioOptions is what a Kamailio does.
type KamailioOptions struct {
	// Anchor has the media of calls go through rtpengine, which RTPEngine starts.
	Anchor bool
	// Certificate and Key are files for TLS; empty: no TLS.
	Certificate, Key string
	// CPUs that all processes are tied to, as taskset takes them; empty: any.
	CPUs string
}

// Kamailio starts Kamailio as registrar with digest authentication and as proxy with
// transactions (t_relay) that sends every call to the lab's peer.
func Kamailio(ctx context.Context, l *lab.Lab, o KamailioOptions) (*Server, error) {
	near, _ := nodeAddrs(l)
	s := &Server{Name: "kamailio", Listen: []netip.AddrPort{netip.AddrPortFrom(near, SIPPort)}}
	dir, err := os.MkdirTemp("", "bench-kamailio-")
	if err != nil {
		return nil, err
	}
	s.cleanup = append(s.cleanup, func() error { return os.RemoveAll(dir) })
	s.Config = filepath.Join(dir, "kamailio.cfg")
	if err := os.WriteFile(s.Config, []byte(o.config(l)), 0o600); err != nil {
		return nil, s.failed(err)
	}
	// The faster allocator, and memory for what the benchmark does.
	args := []string{"-f", s.Config, "-DD", "-E", "-m", "512", "-M", "16", "-x", "tlsf", "-w", dir, "-Y", dir}
	if err := s.startOn(l.Node, o.CPUs, "kamailio", args...); err != nil {
		return nil, s.failed(err)
	}
	if err := s.answeringSIP(ctx, l.Client, s.Listen[0]); err != nil {
		return nil, s.failed(err)
	}
	return s, nil
}

// config fills in addresses, and what is not wanted is taken out by the preprocessor.
func (o KamailioOptions) config(l *lab.Lab) string {
	near, far := nodeAddrs(l)
	var defines strings.Builder
	if o.Anchor {
		defines.WriteString("#!define WITH_MEDIA\n")
	}
	if o.Certificate != "" {
		defines.WriteString("#!define WITH_TLS\n")
	}
	text := strings.NewReplacer(
		"NEAR", near.String(), "FAR", far.String(), "PASSWORD", Password,
		"CALLEE", netip.AddrPortFrom(l.PeerAddrs.V4[0], CalleePort).String(),
		"SIPPORT", strconv.Itoa(SIPPort), "TLSPORT", strconv.Itoa(TLSPort),
		"CERTIFICATE", o.Certificate, "PRIVATEKEY", o.Key,
	).Replace(kamailioConfig)
	return "#!KAMAILIO\n" + defines.String() + text
}

// RTPEngine starts rtpengine, which relays in its process: its kernel module cannot be
// loaded everywhere, and is not what is compared.
func RTPEngine(ctx context.Context, l *lab.Lab, cpus string) (*Server, error) {
	near, far := nodeAddrs(l)
	s := &Server{Name: "rtpengine"}
	err := s.startOn(l.Node, cpus, "rtpengine", "--table=-1",
		"--interface=int/"+near.String(), "--interface=ext/"+far.String(), "--listen-ng=127.0.0.1:2223",
		"--foreground", "--log-stderr", "--log-level=3", "--port-min=20000", "--port-max=35999")
	if err != nil {
		return nil, s.failed(err)
	}
	if err := s.answeringNG(ctx, l.Node, netip.MustParseAddrPort("127.0.0.1:2223")); err != nil {
		return nil, s.failed(err)
	}
	return s, nil
}

// Group is servers that are measured as one.
type Group []*Server

// Stop ends all.
func (g Group) Stop() error {
	var errs []error
	for _, s := range g {
		errs = append(errs, s.Stop())
	}
	return errors.Join(errs...)
}

// KamailioWithRTPEngine starts both, for calls whose media is anchored.
func KamailioWithRTPEngine(ctx context.Context, l *lab.Lab, o KamailioOptions) (Group, error) {
	media, err := RTPEngine(ctx, l, o.CPUs)
	if err != nil {
		return nil, err
	}
	o.Anchor = true
	proxy, err := Kamailio(ctx, l, o)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("kamailio beside rtpengine: %w", err), media.Stop())
	}
	return Group{proxy, media}, nil
}
