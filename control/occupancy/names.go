package occupancy

import (
	"fmt"
	"slices"

	"turnpike.dev/turnpike/control/config"
)

// Nodes lists the names that the ends of a call may have: the subzones, and then the
// zones.
func Nodes(n *config.Node) []string {
	names := []string{config.DefaultSubzoneName}
	for _, s := range n.Subzones {
		names = append(names, s.Name)
	}
	names = append(names, config.TraversalSubzoneName, config.ClusterSubzoneName, config.DefaultZoneName)
	for _, z := range n.Zones {
		names = append(names, z.Name)
	}
	return names
}

// known refuses a name that nobody has, and says which may be meant.
func known(n *config.Node, name string) error {
	names := Nodes(n)
	switch near := config.Nearest(name, names); {
	case slices.Contains(names, name):
		return nil
	case name == config.LocalZoneName:
		return fmt.Errorf("%w: %q is all subzones: name one of them, %s for example", ErrNode, name, config.DefaultSubzoneName)
	case near != "":
		return fmt.Errorf("%w: %q: did you mean %s?", ErrNode, name, near)
	}
	return fmt.Errorf("%w: %q: `turnpike bandwidth show --all` lists them", ErrNode, name)
}
