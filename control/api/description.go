package api

import (
	"net/http"
	"path"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"turnpike.dev/turnpike/control/alarms"
	"turnpike.dev/turnpike/control/zones"
)

// Version is the version of the API. Paths begin with its first number; what is added
// without breaking anything raises the second.
const Version = "1.0"

// describe returns the API that operations are added to. Its description is served at
// /openapi.json; nothing is fetched from elsewhere to show it.
func describe(mux *http.ServeMux) huma.API {
	schemas := huma.NewMapRegistry("#/components/schemas/", schemaName)
	for _, t := range written {
		schemas.RegisterTypeAlias(t, reflect.TypeFor[string]())
	}
	schemas.RegisterTypeAlias(reflect.TypeFor[huma.ErrorModel](), reflect.TypeFor[Problem]())
	return humago.New(mux, huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "Turnpike", Version: Version,
				Description: "Asks and tells one node. The same operations answer at the unix socket in the node's state directory, and over HTTPS for accounts (docs/api.md). x-role is the role that an operation needs.",
			},
			Components: &huma.Components{
				Schemas: schemas,
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"token":    {Type: "http", Scheme: "bearer", Description: "A token that `POST /v1/session` gave."},
					"password": {Type: "http", Scheme: "basic", Description: "Name and password of an account, for scripts."},
				},
			},
			Security: []map[string][]string{{"token": {}}, {"password": {}}},
		},
		Formats:       map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat: "application/json",
		Transformers:  []huma.Transformer{plainProblems},
	})
}

// written are the types that JSON has as text though nothing reads them back.
var written = []reflect.Type{
	reflect.TypeFor[alarms.Severity](), reflect.TypeFor[zones.Type](),
}

// schemaName names a type in the description: by package, unless it is ours, since
// several packages have an Info.
func schemaName(t reflect.Type, hint string) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	name := huma.DefaultSchemaNamer(t, hint)
	if room := path.Base(t.PkgPath()); t.Name() != "" && room != "api" && room != "." && t.Kind() == reflect.Struct {
		name = strings.ToUpper(room[:1]) + room[1:] + name
	}
	return name
}
