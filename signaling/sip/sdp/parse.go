package sdp

import (
	"fmt"
	"strings"
)

// line is x=value.
type line struct {
	kind  byte
	value string
}

// attribute splits a=name:value.
func (l line) attribute() (name, value string) {
	name, value, _ = strings.Cut(l.value, ":")
	return name, value
}

// Parse reads a description. It keeps no reference to data.
func Parse(data []byte) (*Session, error) {
	if len(data) > MaxSize {
		return nil, ErrSize
	}
	lines, err := split(string(data))
	if err != nil {
		return nil, err
	}
	if len(lines) < 2 || lines[0] != (line{'v', "0"}) || lines[1].kind != 'o' || len(strings.Fields(lines[1].value)) < 6 {
		return nil, fmt.Errorf("%w: it does not begin with v=0 and an o= of six fields or, where a user name has spaces, more", ErrSyntax)
	}
	s := &Session{head: lines}
	for i, l := range lines {
		if l.kind != 'm' {
			continue
		}
		if len(s.media) == 0 {
			s.head = lines[:i]
		} else {
			last := len(s.media) - 1
			s.media[last] = s.media[last][:len(s.media[last])-(len(lines)-i)]
		}
		if len(s.media) == MaxStreams {
			return nil, ErrStreams
		}
		s.media = append(s.media, lines[i:])
	}
	return s, s.describe()
}

// split cuts the text into lines that end in CRLF or LF. Nothing is behind an empty line.
func split(text string) ([]line, error) {
	text = strings.TrimRight(text, "\r\n")
	lines := make([]line, 0, min(MaxLines, strings.Count(text, "\n")+1))
	for rest, more := text, true; more; {
		var l string
		l, rest, more = strings.Cut(rest, "\n")
		l = strings.TrimSuffix(l, "\r")
		if len(l) < 2 || l[0] < 'a' || l[0] > 'z' || l[1] != '=' || control(l) {
			return nil, fmt.Errorf("%w: line %d is not of the form x=value", ErrSyntax, len(lines)+1)
		}
		if len(lines) == MaxLines {
			return nil, ErrSize
		}
		lines = append(lines, line{l[0], strings.TrimRight(l[2:], " ")})
	}
	return lines, nil
}

// control says whether there is a byte that may not be in a line (RFC 8866 section 9).
func control(l string) bool {
	for i := range len(l) {
		if c := l[i]; c == 0 || c == '\r' {
			return true
		}
	}
	return false
}

// describe makes the streams of the sections.
func (s *Session) describe() error {
	outer := scope{send: true, receive: true}
	outer.read(s.head)
	s.total = outer.figure
	s.figures = make([]figure, len(s.media))
	slides := map[string]bool{} // labels that BFCP speaks of
	s.streams = make([]Stream, len(s.media))
	for i, section := range s.media {
		m, ok := readMedia(section[0].value)
		if !ok {
			return fmt.Errorf("%w: m=%s is no media line", ErrSyntax, clip(section[0].value))
		}
		inner := outer
		inner.ssrcs, inner.floors, inner.figure = nil, nil, figure{}
		inner.read(section[1:])
		s.streams[i], s.figures[i] = inner.stream(m), inner.figure
		for _, label := range inner.floors {
			slides[label] = true
		}
	}
	for i := range s.streams {
		if st := &s.streams[i]; st.Kind == Video && st.Content == "" && st.Label != "" && slides[st.Label] {
			st.Kind = Slides
		}
	}
	return nil
}

func clip(text string) string { return text[:min(len(text), 60)] }
