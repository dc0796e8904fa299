package debian_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/config"
)

func TestSameBytesEveryTime(t *testing.T) {
	slow(t)
	first, err := os.ReadFile(packaged(t, older))
	if err != nil {
		t.Fatal(err)
	}
	again, err := os.ReadFile(build(t, t.TempDir(), older))
	if err != nil {
		t.Fatal(err)
	}
	if string(first) != string(again) {
		t.Errorf("two packages of one tree differ, %d and %d bytes: compare them with diffoscope", len(first), len(again))
	}
}

// Lintian finds nothing but what turnpike.lintian-overrides gives a reason for.
func TestLintianIsContent(t *testing.T) {
	slow(t)
	cmd := exec.CommandContext(t.Context(), "lintian", "--allow-root", "--fail-on", "error,warning,pedantic",
		"--pedantic", "--display-info", packaged(t, older))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("lintian: %v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "-override ") {
			t.Errorf("an override that nothing needs: %s", line)
		}
	}
}

func TestWhatIsInThePackage(t *testing.T) {
	slow(t)
	list := run(t, "dpkg-deb", "--contents", packaged(t, older))
	for _, want := range []string{
		`-rwxr-xr-x root/root .* ./usr/bin/turnpike`,
		`-rw-r----- root/root .* ./etc/turnpike/node.yaml`,
		`-rw-r--r-- root/root .* ./usr/lib/systemd/system/turnpike.service`,
		`-rw-r--r-- root/root .* ./usr/lib/sysusers.d/turnpike.conf`,
		`-rw-r--r-- root/root .* ./usr/lib/tmpfiles.d/turnpike.conf`,
		`-rw-r--r-- root/root .* ./usr/lib/sysctl.d/60-turnpike.conf`,
		`./usr/share/bash-completion/completions/turnpike`,
		`./usr/share/zsh/vendor-completions/_turnpike`,
		`./usr/share/fish/vendor_completions.d/turnpike.fish`,
		`./usr/share/man/man1/turnpike-relay-list.1.gz`,
		`./usr/share/doc/turnpike/installing.md`,
		`./usr/share/doc/turnpike/licences-of-libraries.gz`,
		`./usr/share/doc/turnpike/changelog.gz`,
		`./usr/share/doc/turnpike/copyright`,
	} {
		if !regexp.MustCompile(`(?m)` + want + `$`).MatchString(list) {
			t.Errorf("not in the package: %s", want)
		}
	}
	if got := strings.Fields(run(t, "dpkg-deb", "--info", packaged(t, older), "conffiles")); !cmp.Equal(got, []string{"/etc/turnpike/node.yaml"}) {
		t.Errorf("configuration files: %v", got)
	}
}

// The dashboards and rules that are there are in the package too.
func TestExamplesComeAlong(t *testing.T) {
	slow(t)
	list := run(t, "dpkg-deb", "--contents", packaged(t, older))
	for _, pattern := range []string{"grafana/*.json", "prometheus/*.y*ml"} {
		files, _ := filepath.Glob(filepath.Join("..", pattern))
		for _, f := range files {
			if want := "/usr/share/doc/turnpike/examples/" + strings.TrimPrefix(f, "../"); !strings.Contains(list, want) {
				t.Errorf("not in the package: %s", want)
			}
		}
	}
}

// As it is shipped, the node file is right, serves nobody, and keeps its log where the
// service may write it.
func TestShippedNodeFile(t *testing.T) {
	n, err := config.Load("node.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if n.TURN.Mode || len(n.TURN.Users) > 0 || len(n.Interfaces.Names()) > 0 {
		t.Errorf("it is open: %+v", n.TURN)
	}
	if n.LogFile() != "/var/log/turnpike/event.log" || n.System.State != "/var/lib/turnpike" {
		t.Errorf("log %s, state %s", n.LogFile(), n.System.State)
	}
}

// What the file proposes in comments is right as well.
func TestShippedNodeFileOpened(t *testing.T) {
	text, err := os.ReadFile("node.yaml")
	if err != nil {
		t.Fatal(err)
	}
	proposed := regexp.MustCompile(`(?m)^( *)# (interfaces:|users:|  .*\{name)`).ReplaceAllString(string(text), "$1$2")
	proposed = strings.Replace(proposed, "mode: off", "mode: on", 1)
	n, err := config.Parse("node.yaml", []byte(proposed))
	if err != nil {
		t.Fatalf("%v\n%s", err, proposed)
	}
	if len(n.Interfaces.Names()) != 2 || len(n.TURN.Users) != 1 {
		t.Errorf("interfaces %v, %d users", n.Interfaces.Names(), len(n.TURN.Users))
	}
}
