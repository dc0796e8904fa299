package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// SocketName is the socket's name in the state directory.
const SocketName = "api.sock"

// Listen opens the socket in a node's state directory. What stands at its place is
// replaced: the caller holds the directory's lock, so it is left over.
func Listen(state string) (net.Listener, error) {
	dir, path, err := shortPath(state)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		_ = dir.Close()
		return nil, fmt.Errorf("replace the old %s: %w", SocketName, err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		_ = dir.Close()
		return nil, fmt.Errorf("listen on %s: %w", filepath.Join(state, SocketName), err)
	}
	if err := os.Chmod(path, 0o660); err != nil {
		return nil, errors.Join(fmt.Errorf("set the mode of %s: %w", SocketName, err), l.Close(), dir.Close())
	}
	return &listener{UnixListener: l, dir: dir}, nil
}

// shortPath returns a name for the socket that fits into a sockaddr_un however
// long the state directory's is, and what must stay open while it is used.
func shortPath(state string) (*os.File, string, error) {
	dir, err := os.OpenFile(state, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, "", fmt.Errorf("open the state directory: %w", err)
	}
	return dir, fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), SocketName), nil
}

// listener gives out only connections of processes that may command the node.
type listener struct {
	*net.UnixListener
	dir *os.File
}

// Accept returns the next connection of root or of the node's own user; others are closed.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		if uid, err := peerUID(c); err == nil && mayCommand(uid) {
			return c, nil
		}
		_, _ = c.Write([]byte("HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"))
		_ = c.Close()
	}
}

// Close closes the socket and removes it.
func (l *listener) Close() error {
	return errors.Join(l.UnixListener.Close(), l.dir.Close())
}

func mayCommand(uid uint32) bool {
	return uid == 0 || int64(uid) == int64(os.Geteuid())
}

func peerUID(c *net.UnixConn) (uint32, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return 0, err
	}
	if credErr != nil {
		return 0, credErr
	}
	return cred.Uid, nil
}

// Serve answers on l until ctx ends.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	return serveHTTP(ctx, l, s.survived(s.mux))
}

// serveHTTP serves until ctx ends and gives running answers a moment to end.
func serveHTTP(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := &http.Server{
		Handler:           timed(h),
		ErrorLog:          log.New(io.Discard, "", 0), // scanners' handshakes; what fails in here is recorded by survived
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext:       withPeer,
	}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		stopped <- errors.Join(srv.Shutdown(grace), srv.Close())
	})
	err := srv.Serve(l)
	if stop() || !errors.Is(err, http.ErrServerClosed) {
		return errors.Join(err, srv.Close())
	}
	return <-stopped
}
