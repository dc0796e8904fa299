// Package metrics shows a node to Prometheus.
//
// It exists so that the names, units and labels of what is measured stand in one
// place, where a test holds them to the rules: everything begins with turnpike_,
// counters end in _total, and no label has values without bound, which is what
// makes a server's memory grow with its users. What belongs to one relay is asked
// for by `turnpike relay show`.
package metrics

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Source is asked at each scrape.
type Source interface {
	Snapshot() Snapshot
}

// Handler serves a node's metrics and those of its process.
func Handler(s Source) http.Handler {
	return promhttp.HandlerFor(newRegistry(s), promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
}

// newRegistry returns a registry of the node's own, without what libraries put into
// the global one.
func newRegistry(s Source) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(
		&collector{source: s, metrics: describe()},
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return r
}

// collector reads a snapshot at each scrape: nothing is kept between scrapes, so
// counters move while a relay lives and nothing of it stays when it ends.
type collector struct {
	source  Source
	metrics []metric
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range c.metrics {
		ch <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	s := c.source.Snapshot()
	for _, m := range c.metrics {
		if m.collect != nil {
			ch <- m.collect(s)
			continue
		}
		m.read(s, func(value float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(m.desc, m.kind, value, labels...)
		})
	}
}

// Family is a metric as an operator's page lists it.
type Family struct {
	Name, Help string
	Kind       string // gauge, counter or histogram
	Labels     []string
}

// Families lists what Handler gives out, without what is said of the process itself.
func Families() []Family {
	var list []Family
	for _, m := range describe() {
		list = append(list, m.family)
	}
	return list
}

// Labels returns the labels there may be, with the most values that each can have. None
// of them grows with users, relays or peers.
func Labels() map[string]int {
	return map[string]int{
		"version": 1, "go": 1, "transport": 3, "method": 16, "code": 64, "path": 2, "direction": 2, "way": 2,
		"reason": 64, "cause": 8, "verdict": 3, "interface": 4, "mode": 3, "map": 16, "level": 4, "why": 4,
		"severity": 8, "state": 4, "over": 2, "queue": maxQueues,
		"class": 8, "kind": 16, "outcome": 8, "le": 16, "object": maxObjects, "resource": 16,
		"peer": 5, "stream": 5, "where": 2,
	}
}

// metric is one family and where its values come from.
type metric struct {
	family Family
	desc   *prometheus.Desc
	kind   prometheus.ValueType
	read   func(Snapshot, emit)
	// collect stands instead of read where a family is more than one value a label.
	collect func(Snapshot) prometheus.Metric
}

// emit gives out one sample with the values of the family's labels.
type emit func(value float64, labels ...string)

func family(kind prometheus.ValueType, name, help string, read func(Snapshot, emit), labels ...string) metric {
	f := Family{Name: "turnpike_" + name, Help: help, Kind: "gauge", Labels: labels}
	if kind == prometheus.CounterValue {
		f.Kind = "counter"
	}
	return metric{family: f, desc: prometheus.NewDesc(f.Name, help, labels, nil), kind: kind, read: read}
}

func gauge(name, help string, value func(Snapshot) float64) metric {
	return family(prometheus.GaugeValue, name, help, func(s Snapshot, e emit) { e(value(s)) })
}

func counter(name, help string, value func(Snapshot) uint64) metric {
	return family(prometheus.CounterValue, name, help, func(s Snapshot, e emit) { e(float64(value(s))) })
}
