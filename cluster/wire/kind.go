package wire

import (
	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/liveness"
	"turnpike.dev/turnpike/cluster/revisions"
	"turnpike.dev/turnpike/cluster/rows"
)

// kind says what a frame is. Numbers are never used for something else.
type kind byte

const (
	kindOpen    kind = 1
	kindWelcome kind = 2
	kindRefused kind = 3
	kindHello   kind = 4

	kindBeat kind = 10

	kindHead kind = 20
	kindTail kind = 21
	kindPart kind = 22

	kindRevisions kind = 30
	kindPush      kind = 31

	kindWants  kind = 40
	kindLead   kind = 41
	kindRecall kind = 42

	kindRequest kind = 50
	kindAnswer  kind = 51

	kindQuestion kind = 60
	kindProbe    kind = 61
)

// body is a message as it is sent.
type body interface {
	message() (any, error)
}

// limit is how long a frame of that kind may be.
func (k kind) limit() int {
	switch k {
	case kindPush, kindRequest, kindAnswer:
		return MaxDocument + slack
	}
	return MaxFrame
}

// body returns an empty body to decode into; nil: there is no such kind.
func (k kind) body() body {
	switch k {
	case kindOpen:
		return new(openBody)
	case kindWelcome:
		return new(welcomeBody)
	case kindRefused:
		return new(refusedBody)
	case kindHello:
		return new(helloBody)
	case kindBeat:
		return new(beatBody)
	case kindHead:
		return new(headBody)
	case kindTail:
		return new(tailBody)
	case kindPart:
		return new(partBody)
	case kindRevisions:
		return new(revisionsBody)
	case kindPush:
		return new(pushBody)
	case kindWants:
		return new(wantsBody)
	case kindLead:
		return new(leadBody)
	case kindRecall:
		return new(recallBody)
	case kindRequest:
		return new(requestBody)
	case kindAnswer:
		return new(answerBody)
	case kindQuestion:
		return new(questionBody)
	case kindProbe:
		return new(probeBody)
	}
	return nil
}

// bodyOf returns how a message is sent; nil: it is none.
func bodyOf(m any) (kind, body) {
	switch m := m.(type) {
	case Open:
		return kindOpen, openOf(m)
	case Welcome:
		return kindWelcome, &welcomeBody{Hello: *helloOf(m.Hello)}
	case Refused:
		return kindRefused, &refusedBody{Why: line(m.Why, maxWhy)}
	case Hello:
		return kindHello, helloOf(m)
	case liveness.Beat:
		return kindBeat, beatOf(m)
	case rows.Head:
		return kindHead, headOf(m)
	case rows.Tail:
		return kindTail, tailOf(m)
	case rows.Part:
		return kindPart, partOf(m)
	case revisions.Beat:
		return kindRevisions, revisionsOf(m)
	case revisions.Push:
		return kindPush, &pushBody{Tag: *tagOf(m.Tag), Bytes: []byte(m.Bytes)}
	case ledger.Beat:
		return kindWants, wantsOf(m)
	case ledger.Lead:
		return kindLead, leadOf(m)
	case ledger.Recall:
		return kindRecall, &recallBody{Term: m.Term, Of: amountsOf(m.Of), Number: m.Number, Under: historyOf(m.Under), Cluster: m.Cluster}
	case Request:
		return kindRequest, &requestBody{Name: m.Name, Body: m.Body}
	case Answer:
		return kindAnswer, &answerBody{Body: m.Body, Failed: line(m.Failed, maxWhy)}
	case Question:
		return kindQuestion, questionOf(m)
	case Probe:
		return kindProbe, probeOf(m)
	}
	return 0, nil
}
