package clusterlab

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// metricsAt is where a node serves its metrics.
const metricsAt = "127.0.0.1:9464"

// Metrics asks a node for its metrics; those with a prefix are returned, by name and labels.
func (n *Node) Metrics(ctx context.Context, prefix string) (map[string]float64, error) {
	dial := func(ctx context.Context, network, address string) (c net.Conn, err error) {
		err = n.Host.Do(func() (err error) {
			c, err = new(net.Dialer).DialContext(ctx, network, address)
			return err
		})
		return c, err
	}
	client := http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+metricsAt+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask %s for its metrics: %w", n.Name, err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	out := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		name, value, found := strings.Cut(strings.TrimSpace(line), " ")
		if v, err := strconv.ParseFloat(value, 64); found && err == nil && strings.HasPrefix(name, prefix) {
			out[name] = v
		}
	}
	return out, nil
}
