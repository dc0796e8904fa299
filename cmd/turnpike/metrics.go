package main

import "net/http"

func newMetrics(*node) http.Handler { return nil }
