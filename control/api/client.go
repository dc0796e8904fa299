package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// ErrNoNode means that no node answers in a state directory.
var ErrNoNode = errors.New("no node answers")

// Client asks a node: the one with a state directory, or one over HTTPS.
type Client struct {
	state string // empty: over HTTPS
	http  *http.Client

	base      string // of the addresses
	where     string // for people
	authorize func(*http.Request)
	broken    error // why there is no client
}

// NewClient returns a client for the node with a state directory.
func NewClient(state string) *Client {
	c := &Client{state: state, base: "http://node", where: filepath.Join(state, SocketName)}
	c.http = &http.Client{Transport: &http.Transport{DialContext: c.dial, DisableKeepAlives: true}}
	return c
}

func (c *Client) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	dir, path, err := shortPath(c.state)
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	return new(net.Dialer).DialContext(ctx, "unix", path)
}

// Status asks how the node is.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return ask[Status](ctx, c, "GET", "/v1/status")
}

// pollEvery is how often a node that does not listen yet is tried again.
const pollEvery = 50 * time.Millisecond

// WaitReady returns when the node is ready, or ctx ends.
func (c *Client) WaitReady(ctx context.Context) (Status, error) {
	retry := time.NewTicker(pollEvery)
	defer retry.Stop()
	for {
		st, err := ask[Status](ctx, c, "GET", "/v1/status?wait=ready")
		if err == nil && st.State == Ready {
			return st, nil
		}
		if err != nil && !errors.Is(err, ErrNoNode) && ctx.Err() == nil && !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
			return st, err
		}
		select {
		case <-ctx.Done():
			return st, errors.Join(err, fmt.Errorf("the node did not get ready: %w", context.Cause(ctx)))
		case <-retry.C:
		}
	}
}

// Relays lists the relays.
func (c *Client) Relays(ctx context.Context) ([]Relay, error) {
	return ask[[]Relay](ctx, c, "GET", "/v1/relays")
}

// Relay asks for one relay.
func (c *Client) Relay(ctx context.Context, id uint64) (Relay, error) {
	return ask[Relay](ctx, c, "GET", fmt.Sprintf("/v1/relays/%d", id))
}

// Kill ends a relay.
func (c *Client) Kill(ctx context.Context, id uint64) error {
	_, err := ask[struct{}](ctx, c, "DELETE", fmt.Sprintf("/v1/relays/%d", id))
	return err
}

// Dataplane asks for the state of the data path.
func (c *Client) Dataplane(ctx context.Context) (Dataplane, error) {
	return ask[Dataplane](ctx, c, "GET", "/v1/dataplane")
}

// Reasons asks how many packets left the relay for each reason.
func (c *Client) Reasons(ctx context.Context) ([]Reason, error) {
	return ask[[]Reason](ctx, c, "GET", "/v1/reasons")
}

// Drain makes the node refuse new relays, or take them again.
func (c *Client) Drain(ctx context.Context, on bool) error {
	method := "PUT"
	if !on {
		method = "DELETE"
	}
	_, err := ask[struct{}](ctx, c, method, "/v1/drain")
	return err
}

// Reload makes the node read its file again.
func (c *Client) Reload(ctx context.Context) (Reload, error) {
	return ask[Reload](ctx, c, "POST", "/v1/reload")
}

// ask sends a request and reads the answer into a T.
func ask[T any](ctx context.Context, c *Client, method, path string) (T, error) {
	return receive[T](c.send(ctx, method, path, nil))
}

// tell sends a request with a body and reads the answer into a T.
func tell[T any](ctx context.Context, c *Client, method, path string, body any) (T, error) {
	data, err := json.Marshal(body)
	if err != nil {
		var none T
		return none, fmt.Errorf("write the request: %w", err)
	}
	return receive[T](c.send(ctx, method, path, bytes.NewReader(data)))
}

// receive reads an answer into a T.
func receive[T any](resp *http.Response, err error) (T, error) {
	var body T
	if err != nil {
		return body, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusNoContent {
		return body, nil
	}
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		return body, fmt.Errorf("read the node's answer: %w", err)
	}
	return body, nil
}

// send sends a request and returns the answer, unless that is a refusal.
func (c *Client) send(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	resp, err := c.do(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode < http.StatusMultipleChoices {
		return resp, nil
	}
	defer func() { _ = resp.Body.Close() }()
	return nil, c.refusal(resp)
}

// do sends a request and returns whatever is answered.
func (c *Client) do(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	if c.broken != nil {
		return nil, c.broken
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.authorize != nil {
		c.authorize(req)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.explain(err)
	}
	return resp, nil
}

// refusal is the error that the node answered with.
func (c *Client) refusal(resp *http.Response) error {
	p, ok := readProblem(resp)
	switch {
	case !ok && resp.StatusCode == http.StatusForbidden && c.state != "":
		return fmt.Errorf("the node of %s does not take commands from this user: use root or the node's own user", c.state)
	case !ok:
		return fmt.Errorf("the node answered %s", resp.Status)
	case p.Status == http.StatusNotFound:
		return fmt.Errorf("%w: see `turnpike relay list`", ErrNotFound)
	case p.Status == http.StatusBadRequest:
		return &Misuse{p.Detail}
	}
	return p
}

// explain says what to do when no node answers.
func (c *Client) explain(err error) error {
	socket := c.where
	if text, ok := distrusted(err); ok {
		return errors.New(text)
	}
	switch {
	case c.state == "" && errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w at %s: is it on, and is admin.https.mode on there?", ErrNoNode, c.where)
	case c.state == "":
		return fmt.Errorf("ask the node at %s: %w", c.where, err)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("no permission for %s: use root or the node's own user", socket)
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%w at %s: start one with `turnpike serve -c FILE`, or name its state directory with --state DIR", ErrNoNode, socket)
	}
	return fmt.Errorf("ask the node at %s: %w", socket, err)
}
