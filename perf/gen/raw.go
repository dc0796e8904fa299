package gen

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// MaxRaw bounds a frame that is sent as it is.
const MaxRaw = 8 * 32 // RAW_WORDS

// Raw is a frame that is sent as it is.
type Raw struct {
	Link  Link
	Bytes []byte
}

// NewRaw loads a generator that sends these frames by turns, as they are: what no
// honest sender sends. All get the length of the longest, rounded up to 8 bytes, by
// zeros behind the packet, which an Ethernet frame may have. Close it.
func NewRaw(frames []Raw) (*Generator, error) {
	if len(frames) == 0 || len(frames) > MaxFlows {
		return nil, fmt.Errorf("%d frames: must be 1 to %d", len(frames), MaxFlows)
	}
	longest := 64
	for _, f := range frames {
		longest = max(longest, (len(f.Bytes)+7)&^7)
	}
	if longest > MaxRaw {
		return nil, fmt.Errorf("a frame of %d bytes: at most %d can be sent", longest, MaxRaw)
	}
	g := &Generator{home: frames[0].Link.Host, frame: make([]byte, longest)}
	if err := g.load(1, len(frames)); err != nil {
		return nil, fmt.Errorf("load the generator: %w", err)
	}
	g.prog = g.objs.Repeat
	if err := g.fillRaw(frames); err != nil {
		return nil, errors.Join(fmt.Errorf("give the generator its frames: %w", err), g.Close())
	}
	return g, nil
}

func (g *Generator) fillRaw(frames []Raw) error {
	links := make(map[Link]uint32)
	keys := make([]uint32, len(frames))
	values := make([]genRaw, len(frames))
	for i, f := range frames {
		link, known := links[f.Link]
		if !known {
			link = uint32(len(links))
			links[f.Link] = link
			if err := g.addLink(link, f.Link); err != nil {
				return err
			}
		}
		var bytes [MaxRaw]byte
		copy(bytes[:], f.Bytes)
		keys[i], values[i].Link = uint32(i), link
		for w := range values[i].Words {
			values[i].Words[w] = binary.NativeEndian.Uint64(bytes[8*w:])
		}
	}
	_, err := g.objs.Raws.BatchUpdate(keys, values, nil)
	return err
}
