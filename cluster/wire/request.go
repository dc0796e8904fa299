package wire

// Request asks a peer; one at a time is under way on a connection.
type Request struct {
	Name string // who shall answer
	Body []byte
}

// Answer answers a Request.
type Answer struct {
	Body   []byte
	Failed string // why it could not be done, for people; empty: it was
}

type requestBody struct {
	Name string `cbor:"1,keyasint"`
	Body []byte `cbor:"2,keyasint,omitempty"`
}

type answerBody struct {
	Body   []byte `cbor:"1,keyasint,omitempty"`
	Failed string `cbor:"2,keyasint,omitempty"`
}

func (b *requestBody) message() (any, error) {
	var c check
	c.count("bytes of the request", len(b.Body), MaxDocument)
	m := Request{c.text("the request's name", b.Name, maxID), b.Body}
	return m, c.err
}

func (b *answerBody) message() (any, error) {
	var c check
	c.count("bytes of the answer", len(b.Body), MaxDocument)
	m := Answer{b.Body, c.text("the reason", b.Failed, maxWhy)}
	return m, c.err
}
