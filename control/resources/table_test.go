package resources

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/registrations"
	"turnpike.dev/turnpike/licensing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// until returns how often something can be had.
func until(take func() bool) int {
	n := 0
	for take() {
		n++
	}
	return n
}

// TestCapacityTable holds what a node of each platform really admits before it refuses:
// each figure is counted, with more option keys than any platform carries. // CA-01
func TestCapacityTable(t *testing.T) {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(w, "platform\tvideo\taudio\thalf video, then audio\trich media\tregistrations\tproxied\trelays\t")
	const plenty = 1_000_000
	keys := licensing.Installed{Keyed: true, Pool: licensing.Pool{HalfRMS: plenty, Room: plenty, Desktop: plenty}}
	for _, p := range []config.PlatformName{config.PlatformCE1200, config.PlatformLarge, config.PlatformMedium, config.PlatformSmall, config.PlatformCustom} {
		file := fmt.Sprintf("system: {name: tp1, platform: %s}\n", p)
		if p == config.PlatformCustom {
			file += "calls: {max: 25}\nregistrations: {max: 30}\nturn: {max_relays: 35}\n"
		}
		calls := func(streams, most int, to Party) func(*Resources) int {
			return func(r *Resources) int {
				return until(func() bool {
					if most--; most < 0 {
						return false
					}
					_, err := r.Admit("x", Want{Ways: []Way{way(phone("DefaultSubZone"), to, 64)}, Connected: true, Streams: streams})
					return err == nil
				})
			}
		}
		fresh := func() *Resources {
			r, err := New(nodeOf(t, file), keys, Deps{})
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		home, away := phone("DefaultSubZone"), guest(config.DefaultZoneName)
		video := calls(2, plenty, home)(fresh())
		audio := calls(1, plenty, home)(fresh())
		mixed := fresh()
		calls(2, video/2, home)(mixed)
		rest := calls(1, plenty, home)(mixed)
		sessions := calls(2, plenty, away)(fresh())
		seats, r := fresh().Registrations(), fresh()
		registered := until(func() bool { return seats.Take(false, registrations.Seat{Aliases: 1}) == nil })
		proxied := until(func() bool {
			return seats.Take(false, registrations.Seat{Aliases: 1, Proxied: true}) == nil
		})
		relays := until(func() bool { return r.Relays().Take(1) })
		_, _ = fmt.Fprintf(w, "%s\t%d\t%d\t%d + %d\t%d\t%d\t%d\t%d\t\n", p, video, audio, video/2, rest, sessions, registered, proxied, relays)
	}
	_ = w.Flush()
	golden(t, "testdata/capacity.txt", b.String())
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}
