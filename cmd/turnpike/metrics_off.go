//go:build !prometheus

package main

import "net/http"

// newMetrics serves none: the build lacks the Prometheus client.
func newMetrics(*node) http.Handler { return nil }
