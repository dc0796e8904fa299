// Package endtoend holds the tests that have the built program, the kernel and real
// clients together: what a restart loses, when the kernel stops by itself, what is
// left behind.
//
// It exists beside the tests of each part because these promises are nobody's alone:
// a packet survives a restart only if journal, pins, flow table and TURN server agree
// about it. Each test has a lab of namespaces, a state directory and processes of its
// own, so they run at the same time.
package endtoend
