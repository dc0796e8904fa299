package calls

import "fmt"

// Events of calls (AL-02). Their fields are in the order of facts A9; those that say
// nothing are left out.
func (b *Book) attempted(c Call) { b.tell("Call Attempted", c, "") }

func (b *Book) connected(c Call) { b.tell("Call Connected", c, "") }

func (b *Book) finished(c Call) {
	b.cfg.Records.write(c)
	detail := fmt.Sprintf("%s by the %s", c.Cause.Kind, c.Cause.By)
	if c.Answered.IsZero() {
		b.tell("Call Rejected", c, detail)
		return
	}
	b.tell("Call Disconnected", c, detail)
}

func (b *Book) tell(event string, c Call, detail string) {
	if b.cfg.Log == nil {
		return
	}
	f := fields{}
	if c.Cause != nil {
		f.add("Reason", c.Cause.Reason)
	}
	f.add("Service", service(c.Caller.Protocol))
	if c.Cause != nil && c.Cause.Status != 0 {
		f.add("Response-code", fmt.Sprint(c.Cause.Status))
	}
	if c.Caller.Address.IsValid() {
		f.add("Src-ip", c.Caller.Address.Addr().String())
	}
	if c.Callee.Address.IsValid() {
		f.add("Dst-ip", c.Callee.Address.Addr().String())
	}
	if c.Caller.Address.IsValid() {
		f.add("Src-port", fmt.Sprint(c.Caller.Address.Port()))
	}
	if c.Callee.Address.IsValid() {
		f.add("Dst-port", fmt.Sprint(c.Callee.Address.Port()))
	}
	f.add("Src-alias", c.From)
	f.add("Dst-alias", c.To)
	f.add("Detail", detail)
	f.add("Auth", yes(c.Caller.Authenticated))
	f.add("Call-id", c.CallID)
	f.add("Call-serial-number", c.Serial)
	f.add("Call-routed", yes(c.Route.Rule != "" || c.Callee.Address.IsValid()))
	if c.Cause != nil && !c.Answered.IsZero() {
		f.add("Duration", fmt.Sprintf("%.0f", c.Seconds))
	}
	b.cfg.Log.Event(event, f...)
}

// fields are keys and values in turn.
type fields []any

func (f *fields) add(key, value string) {
	if value != "" {
		*f = append(*f, key, value)
	}
}

func service(protocol string) string {
	switch protocol {
	case "sip":
		return "SIP"
	case "h323":
		return "H.323"
	default:
		return ""
	}
}

func yes(b bool) string {
	if b {
		return "YES"
	}
	return "NO"
}
