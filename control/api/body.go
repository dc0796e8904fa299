package api

import (
	"io"
	"net/http"
	"time"
)

// sendWithin is how long a request's body may take, from the end of its header on.
const sendWithin = 2 * time.Minute

// timed bounds how long the body of a request may take. The server's own ReadTimeout
// would go on counting while an answer is written, and end what is long on purpose: a
// capture, a wait.
func timed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil && r.Body != http.NoBody {
			control := http.NewResponseController(w)
			// Also for what nobody reads: the server does, before it answers.
			_ = control.SetReadDeadline(time.Now().Add(sendWithin)) // what cannot is no connection
			r.Body = &timedBody{ReadCloser: r.Body, control: control}
		}
		next.ServeHTTP(w, r)
	})
}

// timedBody is a body with a deadline until it is read.
type timedBody struct {
	io.ReadCloser
	control *http.ResponseController
}

// Read reads, and ends the deadline with the body.
func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}
