package doctor

import (
	"os"
	"path/filepath"
	"runtime"

	"github.com/safchain/ethtool"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// namedNamespaces is where iproute2 keeps the names of network namespaces.
const namedNamespaces = "/run/netns"

// farEnd looks at the other end of a veth, if that is in this namespace or in one that
// has a name. Nil: it cannot be found.
func farEnd(l netlink.Link) *FarEnd {
	index, id := l.Attrs().ParentIndex, l.Attrs().NetNsID
	if id < 0 {
		return describeFar(index, "")
	}
	files, err := os.ReadDir(namedNamespaces)
	if err != nil {
		return nil
	}
	for _, f := range files {
		ns, err := netns.GetFromPath(filepath.Join(namedNamespaces, f.Name()))
		if err != nil {
			continue
		}
		var far *FarEnd
		if its, err := netlink.GetNetNsIdByFd(int(ns)); err == nil && its == id {
			far = describeIn(ns, index, f.Name())
		}
		_ = ns.Close()
		if far != nil {
			return far
		}
	}
	return nil
}

// describeIn is describeFar on a thread of its own, which ends with it.
func describeIn(ns netns.NsHandle, index int, name string) *FarEnd {
	found := make(chan *FarEnd, 1)
	go func() {
		runtime.LockOSThread()
		if netns.Set(ns) != nil {
			found <- nil
			return
		}
		found <- describeFar(index, name)
	}()
	return <-found
}

func describeFar(index int, namespace string) *FarEnd {
	h, err := netlink.NewHandle()
	if err != nil {
		return nil
	}
	defer h.Close()
	l, err := h.LinkByIndex(index)
	if err != nil || l.Type() != "veth" {
		return nil
	}
	far := &FarEnd{Name: l.Attrs().Name, Namespace: namespace, MTU: l.Attrs().MTU}
	if e, err := ethtool.NewEthtool(); err == nil {
		far.Offloads = offloadsOf(e, far.Name)
		e.Close()
	}
	return far
}
