package membership

import (
	"cmp"
	"maps"
	"time"
)

// memory is what a node knows beside a reading.
type memory struct {
	self    string // ID of its membership
	members []Member
	contact time.Time            // since when Consul has answered without a break
	gone    map[string]time.Time // members that were out before
	missing map[string]time.Time // since when
	unheard map[string]time.Time // since when
	warn    func(i instance, why error)
}

// verdict is what a reading means.
type verdict struct {
	members []Member
	out     map[string]string // who must be marked, and why
	// replaced says that a later registration has taken the node's place.
	replaced bool
	// again is when the same reading will mean something else; zero: never.
	again time.Time
}

func (v *verdict) at(t time.Time) {
	if v.again.IsZero() || t.Before(v.again) {
		v.again = t
	}
}

// newest is who registered last under some name.
type newest map[string]instance

func (n newest) add(name string, i instance) {
	if known, ok := n[name]; !ok || later(i, known) {
		n[name] = i
	}
}

// replaced says whether somebody registered under a name after i did.
func (n newest) replaced(name string, i instance) bool {
	known, ok := n[name]
	return ok && known.id != i.id && later(known, i)
}

func later(a, b instance) bool {
	return cmp.Or(cmp.Compare(a.created, b.created), cmp.Compare(a.id, b.id)) > 0
}

// judge works out what a reading means, by the rules in the package's
// documentation. It only changes when something was first seen, in m.
func (c Config) judge(now time.Time, r *reading, m *memory) (v verdict) {
	v.out = map[string]string{}
	type candidate struct {
		instance
		member Member
	}
	var candidates []candidate
	byNode, byAddress, known := newest{}, newest{}, map[string]bool{}
	for _, i := range r.instances {
		if _, marked := r.marks[i.id]; marked {
			continue
		}
		member, err := i.member()
		if err != nil {
			m.warn(i, err)
			continue
		}
		known[i.id] = true
		if _, was := m.gone[i.id]; was {
			v.out[i.id] = "it was out before"
			continue
		}
		candidates = append(candidates, candidate{i, member})
		byNode.add(member.Node, i)
		byAddress.add(member.Address, i)
	}
	maps.DeleteFunc(m.unheard, func(id string, _ time.Time) bool { return !known[id] })
	maps.DeleteFunc(m.missing, func(id string, _ time.Time) bool { return known[id] })

	settled := m.contact.Add(c.settling(m.self != ""))
	for _, i := range candidates {
		if byNode.replaced(i.member.Node, i.instance) || byAddress.replaced(i.member.Address, i.instance) {
			v.replaced = v.replaced || i.id == m.self
			if i.health != passing {
				v.outAfter(now, settled, i.id, "its node has registered anew")
			}
			continue
		}
		v.members = append(v.members, i.member)
		if i.health != unheard {
			delete(m.unheard, i.id)
		}
		switch {
		case i.health == passing || i.id == m.self: // a node leaves it to others to put it out
		case i.health == expired:
			v.outAfter(now, settled, i.id, "its check ran out")
		default:
			v.outAfter(now, since(m.unheard, i.id, now, m.contact).Add(c.grace()), i.id, "it did not update its check")
		}
	}
	for _, former := range m.members {
		_, marked := r.marks[former.ID]
		_, otherNode := byNode[former.Node]
		_, otherAddress := byAddress[former.Address]
		if marked || known[former.ID] || otherNode || otherAddress {
			continue
		}
		v.members = append(v.members, former)
		v.outAfter(now, since(m.missing, former.ID, now, m.contact).Add(c.grace()), former.ID, "it was missing")
	}
	return v
}

// since is when something was first seen, or when Consul was back after that.
func since(seen map[string]time.Time, id string, now, contact time.Time) time.Time {
	first, ok := seen[id]
	if !ok {
		seen[id], first = now, now
	}
	if contact.After(first) {
		return contact
	}
	return first
}

// outAfter has a member marked, but not before a time.
func (v *verdict) outAfter(now, then time.Time, id, why string) {
	if now.Before(then) {
		v.at(then)
	} else {
		v.out[id] = why
	}
}
