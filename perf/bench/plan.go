package main

import "time"

// Targets.
const (
	limitTarget     = "limit"
	xdpTarget       = "turnpike-xdp"
	userspaceTarget = "turnpike-userspace"
	coturnTarget    = "coturn"
	pionTarget      = "pion"
)

var allTargets = []string{limitTarget, xdpTarget, userspaceTarget, coturnTarget, pionTarget}

// Parts.
const (
	throughputPart = "throughput"
	sweepPart      = "sweep"
	noDropPart     = "no-drop"
	latencyPart    = "latency"
	oneCorePart    = "one-core"
	churnPart      = "churn"
	peersPart      = "peers"

	// These are measured alone, with a report of their own.
	floodPart   = "flood"
	scalePart   = "scale"
	capturePart = "capture"
)

var allParts = []string{throughputPart, sweepPart, noDropPart, latencyPart, oneCorePart, churnPart, peersPart}

var extraParts = []string{floodPart, scalePart, capturePart}

// Directions.
const (
	up   = "up"   // from the client to its peer
	down = "down" // from the peer to the client
	both = "both" // by turns, from one core
	// twice is up from one core and down from another, at the same time.
	twice = "both, 2 cores"
)

// The base case, from which the sweeps differ in one thing.
const (
	baseRelays  = 6000 // CA-04: as many as a node has
	basePayload = 160  // bytes of RTP: 20 ms of G.711 less its header
)

// plan is how much is measured and for how long.
type plan struct {
	rounds      int           // of which the median counts
	round       time.Duration // of a flat-out measurement
	sweepRounds int
	sweepRound  time.Duration
	relays      []int // besides baseRelays
	payloads    []int // besides basePayload
	directions  []string
	quiet       []string      // directions in which no-drop rate and latency are measured
	trial       time.Duration // of a no-drop search
	latency     time.Duration
	precision   float64 // of a no-drop search
	confirm     int     // trials that must pass
	oneCore     time.Duration
	churn       time.Duration
	setups      int // rounds of making all relays

	floods         []string      // kinds; none: all
	floodTrial     time.Duration // of a search
	floodPrecision float64
	floodConfirm   int
	newcomers      time.Duration // how long they are counted
	scales         []int         // relays
}

var full = plan{
	rounds: 7, round: time.Second, sweepRounds: 3, sweepRound: 500 * time.Millisecond,
	relays: []int{1, 10, 100, 1000, 3000}, payloads: []int{64, 600, 1200},
	directions: []string{up, down, both}, quiet: []string{up, down, both},
	trial: 2 * time.Second, precision: .03, confirm: 2,
	latency: 5 * time.Second, oneCore: 10 * time.Second, churn: 10 * time.Second, setups: 5,
	floodTrial: time.Second, floodPrecision: .25, floodConfirm: 2, newcomers: 2 * time.Second,
	scales: []int{baseRelays, 4 * baseRelays},
}

var brief = plan{
	rounds: 3, round: 400 * time.Millisecond, sweepRounds: 1, sweepRound: 400 * time.Millisecond,
	relays: []int{1}, payloads: []int{1200},
	directions: []string{up, down}, quiet: []string{up},
	trial: 500 * time.Millisecond, precision: .06, confirm: 2,
	latency: time.Second, oneCore: 3 * time.Second, churn: 2 * time.Second, setups: 2,
	floods:     []string{"strangers", "garbage", "401-one", "401-many", "password", "arp", "connect"},
	floodTrial: 500 * time.Millisecond, floodPrecision: .5, floodConfirm: 1, newcomers: time.Second,
	scales: []int{1000},
}
