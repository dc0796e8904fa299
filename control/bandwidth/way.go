package bandwidth

import "fmt"

// step is a link, and the node that it leads to.
type step struct{ link, node int }

// way is the shortest way between two nodes; of equally short ones that whose links
// come first. It reports false when there is none. closed is a node that it must not
// pass through, or -1.
func (m *Map) way(from, to, closed int) ([]step, bool) {
	away := m.distances(from, to, closed)
	if away[from] < 0 {
		return nil, false
	}
	steps := make([]step, 0, away[from])
	for at := from; at != to; {
		for _, l := range m.nodes[at].links {
			if next := m.links[l].other(at); away[next] == away[at]-1 && (next == to || m.open(next, closed)) {
				steps = append(steps, step{l, next})
				at = next
				break
			}
		}
	}
	return steps, true
}

// distances returns how many links each node is from to, as far as is needed for from; -1: unknown.
func (m *Map) distances(from, to, closed int) []int {
	away := make([]int, len(m.nodes))
	for i := range away {
		away[i] = -1
	}
	away[to] = 0
	for queue := []int{to}; len(queue) > 0 && away[from] < 0; queue = queue[1:] {
		at := queue[0]
		if at != to && !m.open(at, closed) {
			continue // an end, not a place to pass
		}
		for _, l := range m.nodes[at].links {
			if next := m.links[l].other(at); away[next] < 0 {
				away[next] = away[at] + 1
				queue = append(queue, next)
			}
		}
	}
	return away
}

// open reports whether a way may pass through a node.
func (m *Map) open(n, closed int) bool { return !m.nodes[n].zone && n != closed }

// route returns the nodes that a call visits, and the links between them.
func (m *Map) route(from, to int, traversal bool) (nodes, links []int, err error) {
	nodes = []int{from}
	walk := func(a, b, closed int) error {
		steps, found := m.way(a, b, closed)
		if !found {
			return fmt.Errorf("%w: from %q to %q", ErrNoWay, m.objects[a].Name, m.objects[b].Name)
		}
		for _, s := range steps {
			nodes, links = append(nodes, s.node), append(links, s.link)
		}
		return nil
	}
	if !traversal {
		err = walk(from, to, m.middle)
	} else if err = walk(from, m.middle, -1); err == nil {
		err = walk(m.middle, to, -1)
	}
	if err != nil {
		return nil, nil, err
	}
	return nodes, links, nil
}
