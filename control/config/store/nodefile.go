package store

import (
	"encoding/json"
	"maps"
	"strings"

	"turnpike.dev/turnpike/control/config"
)

// fileName is of what the node file said when it was read last.
const fileName = "node-file"

// said returns what the node file said when it was read last; nothing if it never was.
func (s *Store) said() config.Said {
	data, err := s.Files.Read(fileName)
	said := config.Said{}
	if err != nil || json.Unmarshal(data, &said) != nil {
		return config.Said{} // then all of it is new
	}
	return said
}

// remember notes what the node file says. That it fails does no harm: then it is read as new once more.
func (s *Store) remember(document *config.Node) {
	said := config.SaidBy(document)
	if maps.Equal(said, s.said()) {
		return
	}
	if err := s.note(said); err != nil {
		s.Log.Warn("Node File Not Noted", "Detail", err)
	}
}

func (s *Store) note(said config.Said) error {
	data, err := json.Marshal(said)
	if err != nil {
		return err
	}
	return replace(s.Files, fileName, data)
}

// forget makes all of the node file new, but what it says of the cluster where the node has left that: who leaves does not come
// back by what his file always said.
func (s *Store) forget(left bool) error {
	said := s.said()
	maps.DeleteFunc(said, func(at, _ string) bool { return !left || !strings.HasPrefix(at, "cluster.") })
	return s.note(said)
}
