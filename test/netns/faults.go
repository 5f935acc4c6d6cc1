package netns

import (
	"maps"
)

// CutFrom loses what the host and another send to each other.
func (h *Host) CutFrom(other *Host) {
	h.network.t.Helper()
	h.network.change(func() {
		h.network.lost[path{h, other}] = true
		h.network.lost[path{other, h}] = true
	})
}

// CutOneWay loses what the host sends to another. The other way stays open.
func (h *Host) CutOneWay(to *Host) {
	h.network.t.Helper()
	h.network.change(func() { h.network.lost[path{h, to}] = true })
}

// Isolate loses what the host and any other send to each other.
func (h *Host) Isolate() {
	h.network.t.Helper()
	h.network.change(func() {
		for _, other := range h.network.hosts {
			if other != h {
				h.network.lost[path{h, other}] = true
				h.network.lost[path{other, h}] = true
			}
		}
	})
}

// Heal ends all faults that the host has a part in.
func (h *Host) Heal() {
	h.network.t.Helper()
	h.network.change(func() {
		maps.DeleteFunc(h.network.lost, func(p path, _ bool) bool { return p.from == h || p.to == h })
	})
}
