package dialplan

import (
	"errors"
	"fmt"
	"slices"

	"turnpike.dev/turnpike/control/zones"
)

// source is a compiled Source.
type source struct {
	kind    Source
	zone    *zones.Zone // of Named, one of the two
	subzone string
}

func (p *Plan) compileSource(kind Source, name string, subzones []string) (source, error) {
	s := source{kind: kind}
	if kind != Named {
		return s, nil
	}
	zone := p.cfg.Zones.ByName(name)
	isZone, isSubzone := zone != nil, slices.Contains(subzones, name)
	switch {
	case name == "":
		return s, errors.New("source named needs the name of a zone or subzone")
	case isZone && isSubzone:
		return s, fmt.Errorf("source %q is a zone and a subzone: rename one", name)
	case isZone:
		s.zone = zone
	case isSubzone:
		s.subzone = name
	default:
		return s, fmt.Errorf("there is no zone or subzone %q to come from: add it, or name another source", name)
	}
	return s, nil
}

// covers says whether a request comes from there.
func (s *source) covers(r *Request) bool {
	zone := r.zoneType()
	switch s.kind {
	case AllZones:
		return zone != zones.Default
	case LocalZone:
		return zone == zones.Local
	case Named:
		if s.subzone != "" {
			return zone == zones.Local && r.Subzone == s.subzone
		}
		if r.Zone == nil || r.Peer {
			return zone == s.zone.Type
		}
		return r.Zone.Name == s.zone.Name
	}
	return true
}

// describe returns the source as traces show it.
func (s *source) describe() string {
	switch s.kind {
	case AllZones:
		return "all zones"
	case LocalZone:
		return "the Local Zone"
	case Named:
		if s.zone != nil {
			return fmt.Sprintf("zone %q", s.zone.Name)
		}
		return fmt.Sprintf("subzone %q", s.subzone)
	}
	return "anywhere"
}
