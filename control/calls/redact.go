package calls

import "bytes"

// secretHeaders carry what proves who somebody is, in full and compact form.
var secretHeaders = []string{"authorization", "proxy-authorization", "authentication-info", "proxy-authentication-info"}

// hidden stands where a secret was.
var hidden = []byte("***")

// Redact returns a message without what nobody else may know: the values of
// Authorization headers, and the keys of SDES (RFC 4568). Lines stay where they are, so
// that the message can still be read; Content-Length may be larger than what is left.
func Redact(data []byte) []byte {
	out := make([]byte, 0, len(data))
	secret, body := false, false
	for len(data) > 0 {
		line := data
		if i := bytes.IndexByte(data, '\n'); i >= 0 {
			line = data[:i+1]
		}
		data = data[len(line):]
		text, end := cutEnd(line)
		folded := len(text) > 0 && (text[0] == ' ' || text[0] == '\t')
		switch {
		case body:
			text = redactKey(text)
		case len(text) == 0:
			body = true
		case folded && secret: // the value goes on (RFC 3261 section 7.3.1)
			text = append([]byte{' '}, hidden...)
		case !folded:
			text, secret = redactHeader(text)
		}
		out = append(append(out, text...), end...)
	}
	return out
}

// cutEnd parts a line from its end.
func cutEnd(line []byte) (text, end []byte) {
	text = bytes.TrimRight(line, "\r\n")
	return text, line[len(text):]
}

// redactHeader hides the value of a secret header behind its scheme.
func redactHeader(line []byte) ([]byte, bool) {
	name, value, ok := bytes.Cut(line, []byte{':'})
	if !ok || !isSecret(name) {
		return line, false
	}
	scheme, _, ok := bytes.Cut(bytes.TrimLeft(value, " \t"), []byte{' '})
	if !ok || bytes.ContainsAny(scheme, "=\",") {
		scheme = nil // Authentication-Info has none
	}
	out := append(bytes.Clone(name), ": "...)
	if len(scheme) > 0 {
		out = append(append(out, scheme...), ' ')
	}
	return append(out, hidden...), true
}

func isSecret(name []byte) bool {
	name = bytes.TrimSpace(name)
	for _, s := range secretHeaders {
		if bytes.EqualFold(name, []byte(s)) {
			return true
		}
	}
	return false
}

// redactKey hides keys in a line of SDP: a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:KEY,
// and k=.
func redactKey(line []byte) []byte {
	if len(line) > 2 && (line[0] == 'k' || line[0] == 'K') && line[1] == '=' {
		return append([]byte("k="), hidden...)
	}
	const attribute = "a=crypto:"
	if len(line) < len(attribute) || !bytes.EqualFold(line[:len(attribute)], []byte(attribute)) {
		return line
	}
	fields := bytes.SplitN(line, []byte{' '}, 3) // tag, suite, keys and what follows
	if len(fields) < 3 {
		return line[:len(attribute)]
	}
	out := append(append(bytes.Clone(fields[0]), ' '), fields[1]...)
	return append(append(out, " inline:"...), hidden...)
}
