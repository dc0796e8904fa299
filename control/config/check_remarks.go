package config

import "fmt"

// Remark is something that a configuration may say and that is probably not meant. Unlike a
// Problem it keeps nothing from being put in force.
type Remark struct {
	Path   string `json:"path"`
	Text   string `json:"text"`
	Advice string `json:"advice"` // what to do if it was not meant
}

// String returns the remark on one line.
func (r Remark) String() string { return r.Path + ": " + r.Text + ": " + r.Advice }

// Remarks returns what of a configuration is probably not meant, in the order of the tree.
func Remarks(n *Node) []Remark {
	w := &wonder{n: n, reached: n.reaches(TraversalSubzoneName), linked: map[string]bool{}}
	for _, l := range n.Links {
		w.linked[l.Node1], w.linked[l.Node2] = true, true
	}
	w.keys()
	w.zones()
	w.subzones()
	w.pipes()
	w.links()
	return w.remarks
}

// wonder collects remarks.
type wonder struct {
	n       *Node
	reached map[string]bool // from the Traversal Subzone
	linked  map[string]bool // with anything
	remarks []Remark
}

func (w *wonder) say(path, advice, text string, args ...any) {
	w.remarks = append(w.remarks, Remark{Path: path, Text: fmt.Sprintf(text, args...), Advice: advice})
}

func (w *wonder) zones() {
	for _, z := range w.n.Zones {
		at := fmt.Sprintf("zones[%d]", z.Index)
		if !w.linked[z.Name] {
			w.say(at, "add a link", "zone %s has no link: no call goes there or comes from there", z.Name)
			continue
		}
		w.traversal(at, "zone "+z.Name, z.Name)
	}
}

func (w *wonder) subzones() {
	for _, s := range w.n.Subzones {
		at := fmt.Sprintf("subzones[%d]", s.Index)
		if w.linked[s.Name] {
			w.traversal(at, "subzone "+s.Name, s.Name)
		} else {
			w.say(at, "add a link", "subzone %s has no link: its endpoints call each other only, and only past the node", s.Name)
		}
		w.limits(at+".bandwidth", s.Bandwidth)
	}
	w.limits("default_subzone.bandwidth", w.n.DefaultSubzone.Bandwidth)
	w.above("traversal_subzone.per_call", w.n.Traversal.PerCall, w.n.Traversal.Total)
}

// traversal tells where calls fail whose media the node takes.
func (w *wonder) traversal(at, what, name string) {
	if !w.reached[name] {
		w.say(at, "link it to "+TraversalSubzoneName, "no links lead from %s to the Traversal Subzone: calls whose media passes the node fail", what)
	}
}

func (w *wonder) limits(at string, l SubzoneLimits) {
	w.above(at+".within", l.Within, l.Total)
	w.above(at+".in_out", l.InOut, l.Total)
}

// above tells of a limit for one call that the limit for all of them never lets it reach.
func (w *wonder) above(at string, one, all Limit) {
	if one.Mode == Limited && all.Mode == Limited && one.Kbps > all.Kbps {
		w.say(at+".kbps", "lower it, or raise the total", "one call may have %d kbit/s of a total of %d", one.Kbps, all.Kbps)
	}
}

func (w *wonder) pipes() {
	used := map[string]bool{}
	for _, l := range w.n.Links {
		used[l.Pipe1], used[l.Pipe2] = true, true
	}
	for _, p := range w.n.Pipes {
		at := fmt.Sprintf("pipes[%d]", p.Index)
		if !used[p.Name] {
			w.say(at, "name it in links[].pipe1, or take it out", "pipe %s is on no link: it limits nothing", p.Name)
		}
		if bool(p.Policing) && p.Total.Mode == Unlimited {
			w.say(at+".policing", "give the pipe a total, or leave it at that", "pipe %s has no total: each of its calls is held to its grant, all together are not", p.Name)
		}
		w.above(at+".per_call", p.PerCall, p.Total)
	}
}

// links tells of links that no call ever takes: of two between the same ends the first is
// taken (design/0043).
func (w *wonder) links() {
	first := make(map[[2]string]string, len(w.n.Links))
	for _, l := range w.n.Links {
		ends := [2]string{min(l.Node1, l.Node2), max(l.Node1, l.Node2)}
		if other, known := first[ends]; known {
			w.say(fmt.Sprintf("links[%d]", l.Index), "take one of them out", "link %s joins what %s joins already: no call takes it", l.Name, other)
			continue
		}
		first[ends] = l.Name
	}
}

// reaches returns the zones and subzones that links lead to from a subzone. On the way are
// subzones only.
func (n *Node) reaches(from string) map[string]bool {
	next := map[string][]string{}
	for _, l := range n.Links {
		next[l.Node1] = append(next[l.Node1], l.Node2)
		next[l.Node2] = append(next[l.Node2], l.Node1)
	}
	zones := map[string]bool{DefaultZoneName: true}
	for _, z := range n.Zones {
		zones[z.Name] = true
	}
	reached := map[string]bool{from: true}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		if zones[queue[0]] {
			continue
		}
		for _, to := range next[queue[0]] {
			if !reached[to] {
				reached[to] = true
				queue = append(queue, to)
			}
		}
	}
	return reached
}
