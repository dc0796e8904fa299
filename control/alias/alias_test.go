package alias

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	tests := []struct {
		name, in string
		want     string
		kind     Kind
		port     uint16
	}{
		{"plain URI", "bob@example.com", "bob@example.com", URI, 0},
		{"case of user and domain", "sip:Bob@EXAMPLE.com", "bob@example.com", URI, 0},
		{"sips is the same party", "sips:bob@example.com", "bob@example.com", URI, 0},
		{"h323 URL, RFC 3508", "h323:bob@example.com", "bob@example.com", URI, 0},
		{"port beside the name", "sip:bob@example.com:5070", "bob@example.com", URI, 5070},
		{"password and parameters go", "sip:bob:pw@example.com;transport=tcp?subject=x@y", "bob@example.com", URI, 0},
		{"root dot", "sip:bob@example.com.", "bob@example.com", URI, 0},
		{"escape of a letter, 19.1.4", "sip:%62ob@example.com", "bob@example.com", URI, 0},
		{"escape of a reserved character", "sip:%2B1201@example.com", "+1201@example.com", URI, 0},
		{"escaped at stays", "sip:a%40b@example.com", "a%40b@example.com", URI, 0},
		{"escaped percent stays", "sip:100%25@example.com", "100%25@example.com", URI, 0},
		{"UTF-8 behind escapes", "sip:m%C3%BCller@example.com", "müller@example.com", URI, 0},
		{"separators of a number", "sip:+1-(201)-555.0123@example.com;user=phone", "+12015550123@example.com", URI, 0},
		{"parameters of a number", "sip:1234;phone-context=x@example.com;user=phone", "1234@example.com", URI, 0},
		{"no number without user=phone", "sip:a.b-c@example.com", "a.b-c@example.com", URI, 0},
		{"tel", "tel:+1-201-555-0123;ext=7", "+12015550123", E164, 0},
		{"dialled digits", "1234*#", "1234*#", E164, 0},
		{"number as a host", "sip:1234", "1234", E164, 0},
		{"H.323 id", "Meeting Room 1", "meeting room 1", ID, 0},
		{"H.323 id that is a URI", "Bob@Example.com", "bob@example.com", URI, 0},
		{"domain alone", "sip:Example.com:5061", "example.com", ID, 5061},
		{"IPv4", "192.0.2.1", "192.0.2.1", IP, 0},
		{"IPv4 with port", "192.0.2.1:1720", "192.0.2.1", IP, 1720},
		{"IPv4 as a URI", "sip:192.0.2.1:5070;lr", "192.0.2.1", IP, 5070},
		{"IPv6", "2001:DB8::0:1", "2001:db8::1", IP, 0},
		{"IPv6 with port", "[2001:db8::1]:5060", "2001:db8::1", IP, 5060},
		{"IPv6 as a URI", "sip:[2001:db8::1]", "2001:db8::1", IP, 0},
		{"IPv4 in IPv6", "::ffff:192.0.2.1", "192.0.2.1", IP, 0},
		{"user at IPv4", "bob@192.0.2.1:5070", "bob@192.0.2.1", URI, 5070},
		{"user at IPv6", "sip:bob@[2001:DB8::1]", "bob@[2001:db8::1]", URI, 0},
		{"space around", "  bob@example.com ", "bob@example.com", URI, 0},
		{"no URI after all", "bob@", "bob@", ID, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a, err := Parse(test.in)
			if err != nil {
				t.Fatal(err)
			}
			got := Alias{Name: a.Name, Kind: a.Kind, Port: a.Port}
			want := Alias{Name: test.want, Kind: test.kind, Port: test.port}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(Alias{}), cmp.Comparer(func(x, y Alias) bool { return x == y })); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"nothing":             "",
		"only space":          "  ",
		"too long":            strings.Repeat("a", MaxLength+1),
		"not UTF-8":           "\xff",
		"control character":   "bob\n@example.com",
		"escaped line end":    "sip:bob%0d%0a@example.com",
		"half an escape":      "sip:bob%4@example.com",
		"escape of no digits": "sip:bob%zz@example.com",
		"no host":             "sip:bob@",
		"no user":             "sip:@example.com",
		"port":                "sip:bob@example.com:99999",
		"zone of an address":  "sip:bob@[fe80::1%25eth0]",
		"letters as a number": "tel:abc",
		"address in disguise": "sip:bob@127.1",
	} {
		if a, err := Parse(in); err == nil {
			t.Errorf("%s: %q became %+v", name, in, a)
		}
	}
	if _, err := Parse(""); !errors.Is(err, ErrEmpty) {
		t.Error(err)
	}
}

func TestSIP(t *testing.T) {
	for in, want := range map[string]string{
		"bob@example.com:5070": "sip:bob@example.com:5070",
		"1234":                 "sip:1234@here.example",
		"#31":                  "sip:%2331@here.example",
		"Room 1":               "sip:room%201@here.example",
		"50%off":               "sip:50%25off@here.example",
		"sip:a%40b@x.example":  "sip:a%40b@x.example",
		"192.0.2.1:5070":       "sip:192.0.2.1:5070",
		"2001:db8::1":          "sip:[2001:db8::1]",
		"bob@[2001:db8::1]":    "sip:bob@[2001:db8::1]",
	} {
		a, err := Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := a.SIP("here.example"); got != want {
			t.Errorf("%s became %s, want %s", in, got, want)
		}
	}
}

// FuzzParse holds that a name is canonical: it reads back as itself, as text and
// through its SIP form.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"sip:Bob%40x@Example.com.:5060;user=phone", "[2001:db8::1]:5060", "tel:+1-2", "İ@x", " @ ", "a b", "%", "sip:%20a@b", "h323:x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := Parse(s)
		if err != nil {
			return
		}
		if a.Kind == None || a.Name == "" || len(a.Name) > MaxLength {
			t.Fatalf("%q became %+v", s, a)
		}
		again, err := Parse(a.Name)
		if err != nil || again.Name != a.Name || again.Kind != a.Kind || again.addr != a.addr {
			t.Fatalf("%q became %q (%s), and that %q (%s): %v", s, a.Name, a.Kind, again.Name, again.Kind, err)
		}
		if a.Kind != URI || len(a.SIP("")) > MaxLength {
			return
		}
		if back, err := Parse(a.SIP("")); err != nil || back != a {
			t.Fatalf("%q became %+v, %s and %+v: %v", s, a, a.SIP(""), back, err)
		}
	})
}
