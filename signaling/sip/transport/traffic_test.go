package transport

import (
	"testing"

	"turnpike.dev/turnpike/signaling/sip/message"
)

func TestTraffic(t *testing.T) {
	var c traffic
	for _, m := range []message.Method{message.Invite, message.Publish, "NEWS", "OLD"} {
		c.received(message.NewRequest(m, message.URI{Scheme: "sip", Host: "a"}))
	}
	for _, line := range []string{"SIP/2.0 200 OK", "SIP/2.0 486 Busy", "SIP/2.0 x", "SIP/2.0 ", "INVITE sip:a SIP/2.0", ""} {
		c.sent([]byte(line))
	}
	requests, answers := c.byMethod(), c.byClass()
	if requests["INVITE"] != 1 || requests["PUBLISH"] != 1 || requests["other"] != 2 || len(requests) != 15 {
		t.Errorf("requests %v", requests)
	}
	if answers["2xx"] != 1 || answers["4xx"] != 1 || answers["1xx"] != 0 || len(answers) != 6 {
		t.Errorf("answers %v", answers)
	}
}
