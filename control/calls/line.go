package calls

import (
	"encoding/json"
	"math"
	"net/netip"
	"strconv"
	"time"
)

// writer writes a call as encoding/json does, byte for byte, in a third of the time: there
// is a record for each call. A test holds it to that, so that a field that is added and
// forgotten here is found.
type writer struct {
	b []byte
	n []int // members so far, of each object or array that is open
}

// appendCall appends the JSON of a call.
func appendCall(b []byte, c *Call) []byte {
	w := writer{b: b, n: make([]int, 0, 8)}
	w.open('{')
	w.key("id").uint(c.ID)
	w.key("serial").string(c.Serial)
	w.key("state").string(string(c.State))
	w.info(&c.Info)
	w.key("started").time(c.Started)
	if !c.Answered.IsZero() {
		w.key("answered").time(c.Answered)
	}
	if !c.Ended.IsZero() {
		w.key("ended").time(c.Ended)
	}
	w.key("seconds").float(c.Seconds)
	w.key("streams").streams(c.Streams)
	if c.Cause != nil {
		w.key("cause").cause(c.Cause)
	}
	w.key("messages").int(int64(c.Messages))
	w.close('}')
	return w.b
}

func (w *writer) info(i *Info) {
	w.key("call_id").string(i.CallID)
	w.text("session_id", i.SessionID)
	w.key("from").string(i.From)
	w.key("to").string(i.To)
	w.key("caller").party(&i.Caller)
	w.key("callee").party(&i.Callee)
	w.key("route").open('{')
	w.text("rule", i.Route.Rule)
	w.text("alias", i.Route.Alias)
	w.text("reason", i.Route.Reason)
	w.text("path", i.Route.Path)
	w.close('}')
	w.key("media").media(&i.Media)
}

func (w *writer) party(p *Party) {
	w.open('{')
	w.text("alias", p.Alias)
	w.text("zone", p.Zone)
	w.text("subzone", p.Subzone)
	w.text("protocol", p.Protocol)
	w.text("transport", p.Transport)
	if p.Address != (netip.AddrPort{}) {
		w.key("address").address(p.Address)
	}
	w.text("call_id", p.CallID)
	w.truth("authenticated", p.Authenticated)
	w.text("agent", p.Agent)
	if p.Peer != 0 {
		w.key("peer").int(int64(p.Peer))
	}
	w.close('}')
}

func (w *writer) media(m *Media) {
	w.open('{')
	w.key("traversal").bool(m.Traversal)
	w.text("why", m.Why)
	w.truth("encrypted", m.Encrypted)
	w.figure("asked_kbps", uint64(m.AskedKbps))
	w.figure("granted_kbps", uint64(m.GrantedKbps))
	if m.HalfRMS != 0 {
		w.key("half_rms").int(int64(m.HalfRMS))
	}
	if len(m.Charges) > 0 {
		w.key("charges").open('[')
		for i := range m.Charges {
			w.item().charge(&m.Charges[i])
		}
		w.close(']')
	}
	if len(m.Links) > 0 {
		w.key("links").open('[')
		for _, l := range m.Links {
			w.item().string(l)
		}
		w.close(']')
	}
	if r := m.MeasuredKbps; r != nil {
		w.key("measured_kbps").open('{')
		w.key("from_caller").uint(uint64(r.FromCaller))
		w.key("from_callee").uint(uint64(r.FromCallee))
		w.close('}')
	}
	w.close('}')
}

func (w *writer) charge(c *Charge) {
	w.open('{')
	w.key("kind").string(c.Kind)
	w.key("name").string(c.Name)
	w.key("times").int(int64(c.Times))
	w.key("kbps").uint(uint64(c.Kbps))
	w.close('}')
}

func (w *writer) streams(list []Stream) {
	if list == nil {
		w.b = append(w.b, "null"...)
		return
	}
	w.open('[')
	for i := range list {
		s := &list[i]
		w.item().open('{')
		w.key("index").int(int64(s.Index))
		w.key("kind").string(s.Kind)
		w.key("path").string(s.Path)
		w.text("reason", s.Reason)
		w.key("from_caller").direction(&s.A)
		w.key("from_callee").direction(&s.B)
		w.close('}')
	}
	w.close(']')
}

func (w *writer) direction(d *Direction) {
	w.open('{')
	w.key("packets").uint(d.Packets)
	w.key("bytes").uint(d.Bytes)
	w.key("lost").int(d.Lost)
	w.key("jitter_ms").float(d.JitterMs)
	if !d.LastSeen.IsZero() {
		w.key("last_seen").time(d.LastSeen)
	}
	w.close('}')
}

func (w *writer) cause(c *Cause) {
	w.open('{')
	w.key("kind").string(string(c.Kind))
	w.key("by").string(string(c.By))
	if c.Status != 0 {
		w.key("status").int(int64(c.Status))
	}
	w.text("reason", c.Reason)
	w.close('}')
}

func (w *writer) open(with byte) {
	w.b, w.n = append(w.b, with), append(w.n, 0)
}

func (w *writer) close(with byte) {
	w.b, w.n = append(w.b, with), w.n[:len(w.n)-1]
}

// item begins a member of the array that is open.
func (w *writer) item() *writer {
	last := len(w.n) - 1
	if w.n[last]++; w.n[last] > 1 {
		w.b = append(w.b, ',')
	}
	return w
}

// key begins a member of the object that is open.
func (w *writer) key(name string) *writer {
	w.item()
	w.b = append(append(append(w.b, '"'), name...), `":`...)
	return w
}

// text, figure and truth are left out when they say nothing.
func (w *writer) text(name, s string) {
	if s != "" {
		w.key(name).string(s)
	}
}

func (w *writer) figure(name string, n uint64) {
	if n != 0 {
		w.key(name).uint(n)
	}
}

func (w *writer) truth(name string, is bool) {
	if is {
		w.key(name).bool(is)
	}
}

func (w *writer) string(s string) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			text, _ := json.Marshal(s) // a string always can be
			w.b = append(w.b, text...)
			return
		}
	}
	w.b = append(append(append(w.b, '"'), s...), '"')
}

func (w *writer) address(a netip.AddrPort) {
	if a.Addr().Zone() != "" || !a.IsValid() { // neither comes from the wire
		text, _ := a.MarshalText() // never fails
		w.string(string(text))
		return
	}
	w.b = append(a.AppendTo(append(w.b, '"')), '"')
}

func (w *writer) time(t time.Time) {
	if y := t.Year(); y < 0 || y > 9999 {
		w.b = append(w.b, "null"...)
		return
	}
	w.b = append(t.AppendFormat(append(w.b, '"'), time.RFC3339Nano), '"')
}

// float writes as ECMAScript does, as encoding/json.
func (w *writer) float(f float64) {
	if size := math.Abs(f); size != 0 && (size < 1e-6 || size >= 1e21) || math.IsNaN(f) {
		text, err := json.Marshal(f)
		if err != nil {
			text = []byte("0")
		}
		w.b = append(w.b, text...)
		return
	}
	w.b = strconv.AppendFloat(w.b, f, 'f', -1, 64)
}

func (w *writer) uint(n uint64) { w.b = strconv.AppendUint(w.b, n, 10) }
func (w *writer) int(n int64)   { w.b = strconv.AppendInt(w.b, n, 10) }
func (w *writer) bool(is bool)  { w.b = strconv.AppendBool(w.b, is) }
