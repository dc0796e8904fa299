package agreement_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/agreement"
	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/membership"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	first = "11111111-0000-4000-8000-000000000000"
)

var began = time.Now()

func TestOneAlone(t *testing.T) {
	cfg := agreement.Config{
		Self: "a", Dir: t.TempDir(), Boot: func() time.Duration { return time.Since(began) },
		Dial: func(context.Context, cluster.ID) (net.Conn, error) { return nil, errors.New("nobody") },
	}
	a, err := agreement.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Write(membership.Write{Stored: membership.Stored{Cluster: first}, How: membership.Found}); err != nil {
		t.Fatal(err)
	}
	<-a.Leads()
	if err := a.Propose(ledger.Entry{Resource: "x", Total: &ledger.Total{Amount: 3}}); err != nil {
		t.Fatal(err)
	}
	for {
		table, _ := a.Table()
		if table.Totals["x"].Amount == 3 {
			break
		}
		<-a.Changed()
	}
	t.Logf("%+v", a.State())
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	a, err = agreement.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	<-a.Leads()
	if table, _ := a.Table(); table.Totals["x"].Amount != 3 {
		t.Errorf("%+v after a restart", table)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
}
