// Package debian tests the Debian package: that it is made of the same bytes every time,
// that lintian and systemd find nothing in it, and that a machine which nobody has touched
// before can install, run, restart, upgrade and lose it while media goes on.
//
// The machine is a root of Debian's own making, booted in a container with a systemd of
// its own. Everything in it is as on hardware but the kernel and the network, which is a
// lab's, with XDP on its links.
package debian
