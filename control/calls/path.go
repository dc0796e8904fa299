package calls

import (
	"strings"

	"turnpike.dev/turnpike/control/config"
)

// PathOf writes the subzones and zones that a call passes in the words of the sources (RG-05):
// Branch Office -> Default Subzone -> Cluster Subzone. A call that stays in one place is in it.
func PathOf(nodes []string) string {
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i] = n
		switch n {
		case config.DefaultSubzoneName:
			names[i] = "Default Subzone"
		case config.TraversalSubzoneName:
			names[i] = "Traversal Subzone"
		case config.ClusterSubzoneName:
			names[i] = "Cluster Subzone"
		case config.DefaultZoneName:
			names[i] = "Default Zone"
		}
	}
	return strings.Join(names, " -> ")
}
