package debian_test

import (
	"strings"
	"testing"
)

// A fresh machine knows every package that `make deps` asks for, and they go together.
func TestDepsOnAFreshMachine(t *testing.T) {
	slow(t)
	list := strings.Fields(run(t, "make", "-s", "-C", top, "--eval", "show:; @echo $(PACKAGES)", "show"))
	args := append([]string{freshRoot(t), "apt-get", "-s", "-q", "install", "--no-install-recommends"}, list...)
	if said := run(t, "chroot", args...); strings.Count(said, "\nInst ") < len(list)/2 {
		t.Errorf("%d packages asked for, but apt says:\n%s", len(list), said)
	}
}

// Images are made in a chroot, where no systemd runs: what it would be told is there at the
// first boot, and nothing is left after a purge.
func TestInstallsWhereNoSystemdRuns(t *testing.T) {
	slow(t)
	root := freshRoot(t)
	inside := func(args ...string) string { return run(t, "chroot", append([]string{root}, args...)...) }
	file := "/root/turnpike.deb"
	run(t, "cp", packaged(t, older), root+file)
	inside("dpkg", "--install", file)
	if said := strings.TrimSpace(inside("systemctl", "is-enabled", "turnpike")); said != "enabled" {
		t.Errorf("the service is %s", said)
	}
	inside("turnpike", "config", "check", nodeFile)
	inside("dpkg", "--purge", "turnpike")
	if left := inside("find", "/etc", "/usr", "/var", "-path", "*turnpike*"); left != "" {
		t.Errorf("left after a purge:\n%s", left)
	}
}
