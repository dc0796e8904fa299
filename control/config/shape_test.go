package config

import (
	"reflect"
	"testing"
)

// Entries begin with their index and their name: what walks large lists relies on it.
func TestEntriesBeginAlike(t *testing.T) {
	var look func(t reflect.Type, s shape)
	look = func(typ reflect.Type, s shape) {
		for _, f := range s {
			ft := typ.Field(f.index).Type
			if f.optional {
				ft = ft.Elem()
			}
			if f.form == formEntries {
				ft = ft.Elem()
				if ft.Field(indexField).Name != "Index" || ft.Field(nameField).Name != "Name" {
					t.Errorf("entries of %s do not begin with Index and Name", f.at)
				}
			}
			if f.below != nil {
				look(ft, f.below)
			}
		}
	}
	look(reflect.TypeFor[Node](), root())
}

func TestSpot(t *testing.T) {
	zones := &spot{step: "zones"}
	entry := &spot{up: zones, step: "[3]"}
	sip := &spot{up: entry, step: "sip"}
	if got := sip.key("port"); got != "zones[3].sip.port" {
		t.Errorf("got %s", got)
	}
	var top *spot
	if got := top.key("domains"); got != "domains" {
		t.Errorf("got %s", got)
	}
}
