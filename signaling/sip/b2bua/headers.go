package b2bua

import (
	"slices"
	"strings"

	"turnpike.dev/turnpike/signaling/sip/message"
)

// product is what we say of ourselves; what the ends say of themselves stays with them.
const product = "Turnpike"

// allow is what this node takes within a call.
const allow = "INVITE, ACK, CANCEL, BYE, PRACK, UPDATE, INFO, MESSAGE, NOTIFY, SUBSCRIBE, REFER, OPTIONS"

// endToEnd are the header fields that are passed from one leg to the other. Everything
// else is made anew for each leg or stays where it came from: routes, addresses and
// dialogs of one side are nobody's business on the other, and a field that nobody has
// thought about may tell of them.
var endToEnd = []string{
	"Accept", "Accept-Contact", "Accept-Language", "Alert-Info", "Answer-Mode", "Call-Info", "Content-Disposition",
	"Content-Language", "Date", "Diversion", "Error-Info", "Event", "Expires", "Geolocation", "Geolocation-Error",
	"Geolocation-Routing", "History-Info", "Identity", "Info-Package", "In-Reply-To", "MIME-Version", "Organization",
	"P-Early-Media", "Priority", "Priv-Answer-Mode", "Recv-Info", "Refer-Sub", "Refer-To", "Referred-By",
	"Reject-Contact", "Reply-To", "Request-Disposition", "Resource-Priority", "Retry-After", "Subject",
	"Subscription-State", "Unsupported", "User-to-User", "Warning",
	// Passwords for systems behind this node; what was for this node is left out (see strip).
	"Authorization", "Proxy-Authorization", "WWW-Authenticate", "Proxy-Authenticate",
	// Shown or not by privacy and trust (identity.go).
	"P-Asserted-Identity", "Privacy", "Remote-Party-ID",
}

// extensions are the option tags whose extensions work through this node, because what
// they need is passed (RFC 3261 section 19.2): for Supported and Require.
var extensions = []string{"100rel", "precondition", "replaces", "norefersub", "histinfo", "from-change", "answermode", "early-session", "multiple-refer", "tdialog", "uui", "sdp-anat"}

// understood are those that a request may require of this node.
func understood(tag string) bool {
	return strings.EqualFold(tag, "timer") || slices.ContainsFunc(extensions, func(e string) bool { return strings.EqualFold(e, tag) })
}

// refused answers a new INVITE that cannot be taken, whoever it is from.
func (b *B2BUA) refused(t interface {
	Reply(int, string, ...func(*message.Message))
}, req *message.Message,
) bool {
	var unknown []string
	for _, tag := range req.Tokens("Require") {
		if !understood(tag) {
			unknown = append(unknown, tag)
		}
	}
	switch {
	case hopsOf(req) == 0: // RFC 3261 section 16.3 step 3
		t.Reply(483, "")
	case len(unknown) > 0: // section 8.2.2.3
		t.Reply(420, "", func(m *message.Message) { m.Set("Unsupported", strings.Join(unknown, ", ")) })
	case req.Has("Content-Encoding") && !strings.EqualFold(req.Get("Content-Encoding"), "identity"): // section 8.2.3
		t.Reply(415, "", func(m *message.Message) { m.Set("Accept-Encoding", "identity") })
	default:
		return false
	}
	return true
}

// sign puts into a message what all messages of ours have.
func (c *call) sign(m *message.Message) {
	if m.IsRequest() {
		m.Set("User-Agent", product)
	} else {
		m.Set("Server", product)
	}
}

// dress completes a request for one end with what the other end's says (RFC 3261 section
// 20).
func (c *call) dress(out, in *message.Message, from, to *end) {
	c.copyHeaders(out, in, from, to)
	c.sign(out)
	if in.Has("Allow") {
		out.Set("Allow", both(in.Tokens("Allow"), strings.Split(allow, ", ")))
	} else if out.Method() == message.Invite {
		out.Set("Allow", "INVITE, ACK, CANCEL, BYE")
	}
	switch out.Method() {
	case message.Invite, message.Update, message.Prack:
	default:
		copyBody(out, in)
	}
}

// answering completes a response to the leg with what the other end's says.
func (l *leg) answering(out, in *message.Message) {
	l.call.copyHeaders(out, in, l.other().end, l.end)
	l.call.sign(out)
	l.say(out)
	out.SetTo(out.To().WithTag(l.d.Local))
	if in.Has("Allow") {
		out.Set("Allow", both(in.Tokens("Allow"), strings.Split(allow, ", ")))
	}
	if status := in.Status(); status < 300 && targets(out.Method()) && len(in.Contacts()) > 0 {
		out.SetContacts(l.contact)
	}
}

// relayed makes the refusal that the caller gets of one that a callee gave (RFC 3261
// section 16.7 steps 5 to 9).
func (c *call) relayed(best *message.Message) *message.Message {
	status, reason := best.Status(), best.Reason()
	if status == 503 { // step 6: the caller would think that it is this node
		status, reason = 500, ""
	}
	out := message.NewResponse(c.invite, status, reason)
	c.copyHeaders(out, best, nil, &c.a)
	c.sign(out)
	return out
}

func (c *call) copyHeaders(out, in *message.Message, from, to *end) {
	for _, name := range endToEnd {
		for _, v := range in.All(name) {
			out.Add(name, v)
		}
	}
	for _, name := range []string{"Supported", "Require"} {
		if v := both(in.Tokens(name), extensions); v != "" && (name == "Supported" || out.IsRequest()) {
			out.Set(name, v)
		}
	}
	c.strip(out, from)
	c.identify(out, to)
	c.ids.say(out, in)
}

// strip takes out passwords that were for this node.
func (c *call) strip(out *message.Message, from *end) {
	if from == &c.a && c.who.Account != "" {
		out.Del("Authorization")
		out.Del("Proxy-Authorization")
	}
}

// both joins the tokens that both lists have, as the first writes them.
func both(tokens, known []string) string {
	var kept []string
	for _, t := range tokens {
		if slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, t) }) {
			kept = append(kept, t)
		}
	}
	return strings.Join(kept, ", ")
}

// copyBody passes a body that is no session description.
func copyBody(out, in *message.Message) {
	if len(in.Body()) > 0 {
		out.SetBody(in.ContentType(), in.Body())
	}
}

// allows reports whether who sent a message takes a method (RFC 3261 section 20.5).
func allows(m *message.Message, method message.Method) bool {
	return slices.Contains(m.Tokens("Allow"), string(method))
}
