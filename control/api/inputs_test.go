package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
)

// wrongValues are of every kind that JSON has, and at its edges.
var wrongValues = []any{
	nil, true, -1, 0, 1e300, 18446744073709551615.0, 1.5, "", "x", "\x00", "../../etc/passwd", "'; --", "\u202e", strings.Repeat("x", 5000), "***",
	[]any{},
	[]any{nil},
	[]any{[]any{[]any{}}},
	map[string]any{},
	map[string]any{"": nil},
}

// inputs makes requests from the description of an operation.
type inputs struct {
	schemas huma.Registry
}

func (in inputs) resolve(s *huma.Schema) *huma.Schema {
	for s != nil && s.Ref != "" {
		s = in.schemas.SchemaFromRef(s.Ref)
	}
	return s
}

// fitting returns the least that fits a schema.
func (in inputs) fitting(s *huma.Schema, depth int) any {
	s = in.resolve(s)
	if s == nil || depth == 0 {
		return nil
	}
	if len(s.Enum) > 0 {
		return s.Enum[0]
	}
	switch s.Type {
	case huma.TypeString:
		return "x"
	case huma.TypeInteger, huma.TypeNumber:
		return 1
	case huma.TypeBoolean:
		return true
	case huma.TypeArray:
		return []any{in.fitting(s.Items, depth-1)}
	case huma.TypeObject:
		object := map[string]any{}
		for name, p := range s.Properties {
			object[name] = in.fitting(p, depth-1)
		}
		return object
	}
	return "x"
}

// bodies are texts for a schema: what fits, what is wrong as a whole, and what fits but for
// one member.
func (in inputs) bodies(s *huma.Schema) []string {
	texts := []string{"", "{", "nul", "\xff", "{}", strings.Repeat("[", 20000), `{"a":` + strings.Repeat("1", 4000) + "}"}
	add := func(v any) {
		text, err := json.Marshal(v)
		if err == nil {
			texts = append(texts, string(text))
		}
	}
	for _, v := range wrongValues {
		add(v)
	}
	fits, ok := in.fitting(s, 4).(map[string]any)
	if !ok {
		return texts
	}
	add(fits)
	for _, name := range slices.Sorted(maps.Keys(fits)) {
		for _, wrong := range wrongValues {
			other := maps.Clone(fits)
			other[name] = wrong
			add(other)
		}
		without := maps.Clone(fits)
		delete(without, name)
		add(without)
		alone := map[string]any{name: fits[name]}
		add(alone)
	}
	return texts
}

// target fills in the parameters of an operation: one of them is wrong.
func (in inputs) target(path string, params []*huma.Param, wrong string, text string) (string, http.Header) {
	query, header := url.Values{}, http.Header{}
	for _, p := range params {
		value := fmt.Sprint(in.fitting(p.Schema, 1))
		if p.Name == wrong {
			value = text
		}
		switch p.In {
		case "path":
			path = strings.ReplaceAll(path, "{"+p.Name+"}", url.PathEscape(value))
		case "query":
			if p.Name == wrong {
				query.Set(p.Name, value)
			}
		case "header":
			if p.Name == wrong {
				header.Set(p.Name, strings.ToValidUTF8(strings.Map(func(r rune) rune {
					if r < ' ' {
						return -1
					}
					return r
				}, value), ""))
			}
		}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return path, header
}

// state is everything that a request may change.
func (f *full) state() string {
	f.parts.mu.Lock()
	defer f.parts.mu.Unlock()
	open, _ := f.parts.certs.Requested()
	return fmt.Sprint(f.parts.store.Current().Number, f.parts.certs.ServerInfo().Fingerprint, f.parts.certs.TrustInfo(), open, f.parts.did)
}

// check asks as an administrator: whatever is sent, the node does not fail, and where it
// refuses or only shows, nothing has changed.
func (f *full) check(t *testing.T, o operation, method, path string, header http.Header, body string) {
	t.Helper()
	before := f.state()
	w := f.askWith(RoleAdmin, method, path, header, []byte(body))
	after := f.state()
	what := fmt.Sprintf("%s: %s %.200s %.300q", o.id, method, path, body)
	if w.Code >= 500 {
		t.Errorf("%s: %d %s", what, w.Code, w.Body)
	}
	if (w.Code >= 400 || !o.changes()) && before != after && o.id != "x" {
		t.Errorf("%s: %d, and it changed %s to %s", what, w.Code, before, after)
	}
	if w.Code >= 400 && w.Code != http.StatusNotFound && w.Code != http.StatusMethodNotAllowed && !strings.HasPrefix(w.Header().Get("Content-Type"), problemType) {
		t.Errorf("%s: %d is no problem: %s", what, w.Code, w.Body)
	}
}

// operationOf returns what huma has of an operation.
func (f *full) operationOf(o operation) (*huma.Operation, string, string) {
	method, path, _ := strings.Cut(o.route, " ")
	item := f.huma.OpenAPI().Paths[path]
	return map[string]*huma.Operation{"GET": item.Get, "PUT": item.Put, "POST": item.Post, "DELETE": item.Delete}[method], method, path
}

func bodySchema(h *huma.Operation) *huma.Schema {
	if h.RequestBody == nil || h.RequestBody.Content["application/json"] == nil {
		return nil
	}
	return h.RequestBody.Content["application/json"].Schema
}

// Every operation with every kind of wrong input that its description allows to think of.
func TestWrongInputs(t *testing.T) {
	f := newFull(t)
	in := inputs{f.huma.OpenAPI().Components.Schemas}
	asked := 0
	for _, o := range f.operations {
		h, method, path := f.operationOf(o)
		for _, p := range h.Parameters {
			for _, wrong := range wrongValues {
				target, header := in.target(path, h.Parameters, p.Name, fmt.Sprint(wrong))
				if p.In == "path" && (wrong == "" || wrong == "../../etc/passwd") {
					continue // another route
				}
				f.check(t, o, method, target, header, "")
				asked++
			}
		}
		bodies := []string{"", "{}"}
		if s := bodySchema(h); s != nil {
			bodies = in.bodies(s)
		}
		for _, body := range bodies {
			target, header := in.target(path, h.Parameters, "", "")
			f.check(t, o, method, target, header, body)
			asked++
		}
	}
	if asked < 1000 {
		t.Errorf("only %d requests were made: is the description still read?", asked)
	}
}

// FuzzOperations sends an operation what the fuzzer finds: a body, and a value in place of
// one parameter, beside what is made from the description by chance.
func FuzzOperations(f *testing.F) {
	rig := newFull(f)
	in := inputs{rig.huma.OpenAPI().Components.Schemas}
	for i, o := range rig.operations {
		h, _, _ := rig.operationOf(o)
		body := ""
		if s := bodySchema(h); s != nil {
			text, _ := json.Marshal(in.fitting(s, 4))
			body = string(text)
		}
		f.Add(uint8(i), uint64(i), "1", body)
	}
	f.Fuzz(func(t *testing.T, which uint8, seed uint64, value, body string) {
		o := rig.operations[int(which)%len(rig.operations)]
		h, method, path := rig.operationOf(o)
		random := rand.New(rand.NewPCG(seed, 1))
		wrong := ""
		if n := len(h.Parameters); n > 0 {
			wrong = h.Parameters[random.IntN(n)].Name
		}
		if body == "" {
			if s := bodySchema(h); s != nil {
				bodies := in.bodies(s)
				body = bodies[random.IntN(len(bodies))]
			}
		}
		target, header := in.target(path, h.Parameters, wrong, value)
		u, err := url.Parse(target)
		if err != nil || strings.Contains(u.Path, "//") || strings.Contains(u.Path, "/.") || strings.HasSuffix(u.Path, "/") {
			return // another route
		}
		rig.check(t, o, method, target, header, body)
	})
}
