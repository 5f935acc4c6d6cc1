package actors

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"barrage/actors/wire"
	"barrage/persistence"
)

// The list of live videos: those that nodes own, in memory, and those that are
// in their stores alone.

const (
	// MaxListed is how many live videos a node lists: the first in the order
	// that is asked for of those that it owns, and as many of those in its store.
	MaxListed = 10_000
	// storedFor is how old a node's listing of its store may be, and listedFor
	// that of all nodes.
	storedFor = 5 * time.Second
	listedFor = 500 * time.Millisecond
	// storedPage is how many live videos are read from the store at a time.
	storedPage = 1000
	// listTimeout bounds a listing.
	listTimeout = 3 * time.Second
)

// Which live videos are listed, as in wire.ListVideos.
const (
	ListLive uint32 = iota
	ListEnded
	ListAll
)

// listings keeps what was listed for a moment.
type listings struct {
	mu       sync.Mutex
	stored   []*wire.ListedVideo
	storedAt time.Time

	allMu sync.Mutex
	all   map[string]listing // by sort
}

type listing struct {
	videos []*wire.ListedVideo
	at     time.Time
}

// ListVideos answers with the live videos that this node has, active or in its
// own store, in the order that is asked for: by number, the highest first, and
// then by id.
func (n *Node) ListVideos(ctx context.Context, m *wire.ListVideos) *wire.VideoList {
	stored, err := n.storedVideos(ctx)
	if err != nil {
		return &wire.VideoList{Fault: &wire.Fault{Code: wire.Code_UNAVAILABLE, Detail: err.Error()}}
	}
	videos := slices.Clone(stored)
	n.listed.Range(func(id, v any) bool {
		if listed := v.(*listedVideo); listed.exists.Load() {
			videos = append(videos, listed.entry(id.(string)))
		}
		return true
	})
	return &wire.VideoList{Videos: pageOfVideos(mergeVideos(videos), m)}
}

// storedVideos lists the node's own store.
func (n *Node) storedVideos(ctx context.Context) ([]*wire.ListedVideo, error) {
	l := &n.listings
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stored != nil && n.now().Sub(l.storedAt) < storedFor {
		return l.stored, nil
	}
	stored := []*wire.ListedVideo{}
	for behind := ""; len(stored) < MaxListed; {
		videos, err := n.config.Own.Videos(ctx, behind, storedPage)
		if err != nil {
			return nil, fmt.Errorf("listing live videos: %w", err)
		}
		for _, v := range videos {
			stored = append(stored, storedEntry(v))
		}
		if len(videos) < storedPage {
			break
		}
		behind = videos[len(videos)-1].LiveVideoID
	}
	l.stored, l.storedAt = stored, n.now()
	return stored, nil
}

func storedEntry(v persistence.KnownVideo) *wire.ListedVideo {
	return &wire.ListedVideo{
		LiveVideoId: v.LiveVideoID, Ended: v.Room.GetEnded().GetEnded(), Comments: v.Totals.GetComments(),
		Reactions: v.Reactions, Revision: v.Totals.GetRevision(),
	}
}

// AllVideos lists the live videos of all nodes, as ListVideos does; who can't
// be reached is left out. It may be half a second old.
func (n *Node) AllVideos(ctx context.Context, m *wire.ListVideos) ([]*wire.ListedVideo, error) {
	l := &n.listings
	l.allMu.Lock() // whoever comes meanwhile gets the same
	defer l.allMu.Unlock()
	known := l.all[m.Sort]
	if known.videos == nil || n.now().Sub(known.at) >= listedFor {
		ctx, cancel := context.WithTimeout(ctx, listTimeout)
		defer cancel()
		// All of them in any state: a node with an old copy does not know what
		// its owner would leave out.
		question := &wire.ListVideos{States: ListAll, Sort: m.Sort, Limit: MaxListed}
		own := n.ListVideos(ctx, question)
		if own.Fault != nil {
			return nil, fmt.Errorf("%w: %s", persistence.ErrUnavailable, own.Fault.Detail)
		}
		videos := own.Videos
		for _, answer := range n.owners.AskAll(ctx, question) {
			if list, ok := answer.(*wire.VideoList); ok && list.Fault == nil {
				videos = append(videos, list.Videos...)
			}
		}
		known = listing{mergeVideos(videos), n.now()}
		if l.all == nil {
			l.all = map[string]listing{}
		}
		l.all[m.Sort] = known
	}
	return pageOfVideos(known.videos, m), nil
}

// mergeVideos leaves one of each live video: the one that its owner has in
// memory, or the newest that is stored.
func mergeVideos(all []*wire.ListedVideo) []*wire.ListedVideo {
	best := make(map[string]*wire.ListedVideo, len(all))
	for _, v := range all {
		known := best[v.LiveVideoId]
		if known == nil || v.Active && !known.Active || v.Active == known.Active && v.Revision > known.Revision {
			best[v.LiveVideoId] = v
		}
	}
	merged := make([]*wire.ListedVideo, 0, len(best))
	for _, v := range best {
		merged = append(merged, v)
	}
	return merged
}

// pageOfVideos gives the part of a list that is asked for.
func pageOfVideos(videos []*wire.ListedVideo, m *wire.ListVideos) []*wire.ListedVideo {
	number := func(v *wire.ListedVideo) uint64 {
		switch m.Sort {
		case "viewers":
			return v.Viewers
		case "comments":
			return v.Comments
		}
		return 0
	}
	compare := func(an uint64, a string, bn uint64, b string) int {
		return cmp.Or(cmp.Compare(bn, an), strings.Compare(a, b))
	}
	page := make([]*wire.ListedVideo, 0, len(videos))
	for _, v := range videos {
		switch {
		case m.States == ListLive && v.Ended, m.States == ListEnded && !v.Ended:
		case m.AfterId != "" && compare(number(v), v.LiveVideoId, m.AfterNumber, m.AfterId) <= 0:
		default:
			page = append(page, v)
		}
	}
	slices.SortFunc(page, func(a, b *wire.ListedVideo) int {
		return compare(number(a), a.LiveVideoId, number(b), b.LiveVideoId)
	})
	return page[:min(len(page), int(m.Limit), MaxListed)]
}
