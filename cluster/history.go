package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"google.golang.org/protobuf/proto"

	"barrage/actors/wire"
	"barrage/persistence"
	"barrage/persistence/records"
)

// Comments implements tiered.Peers: it reads the embedded stores of the other
// members.
func (m *Member) Comments(ctx context.Context, liveVideoID string, r persistence.Range) (comments []*records.Comment, deleted map[uint64]bool, floor uint64, whole bool, err error) {
	deleted = map[uint64]bool{}
	whole, err = readOthers(ctx, m, func(address string) (localHistory, error) {
		return m.readLocal(ctx, address, liveVideoID, r)
	}, func(theirs localHistory) {
		comments = append(comments, theirs.comments...)
		for _, id := range theirs.deleted {
			deleted[id] = true
		}
		floor = max(floor, theirs.floor)
	})
	if err != nil {
		return nil, nil, 0, false, err
	}
	slices.SortFunc(comments, func(a, b *records.Comment) int {
		if r.Desc {
			a, b = b, a
		}
		return cmp.Compare(a.Id, b.Id)
	})
	comments = slices.CompactFunc(comments, func(a, b *records.Comment) bool { return a.Id == b.Id })
	return comments[:min(len(comments), r.Limit)], deleted, floor, whole, nil
}

// readOthers asks all other members at once, and gives each answer to add, one
// after the other. whole is false if one did not answer. Who is no member any
// more is left out: what it had, its neighbours have copies of.
func readOthers[T any](ctx context.Context, m *Member, read func(address string) (T, error), add func(T)) (whole bool, err error) {
	joined := m.members.Load()
	if joined == nil {
		return false, persistence.ErrUnavailable
	}
	self := (*joined).Self()
	whole = true
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, member := range m.View().Members {
		if member.Address == self.Address {
			continue
		}
		wg.Go(func() {
			theirs, err := read(member.Address)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				m.log.Debug("another node's history can't be read", "node", member.Name, "error", err)
				whole = false
				return
			}
			add(theirs)
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return false, fmt.Errorf("reading other nodes' history: %w", ctx.Err())
	}
	return whole, nil
}

// askTwice asks a member, and once more if that fails: it may have just come
// back, and its connection not yet.
func (m *Member) askTwice(ctx context.Context, address string, question proto.Message) (proto.Message, error) {
	answer, err := m.owners.Ask(ctx, address, question)
	if err != nil {
		answer, err = m.owners.Ask(ctx, address, question)
	}
	return answer, err
}

// localHistory is what one member has.
type localHistory struct {
	comments []*records.Comment
	deleted  []uint64
	floor    uint64
}

// readLocal reads one member's store, in as many answers as that takes.
func (m *Member) readLocal(ctx context.Context, address, liveVideoID string, r persistence.Range) (all localHistory, err error) {
	for {
		question := &wire.ReadLocal{
			LiveVideoId: liveVideoID, After: r.After, Before: r.Before, Limit: uint32(r.Limit - len(all.comments)), Desc: r.Desc,
			ParentId: r.Parent, IdsOnly: r.IDsOnly,
		}
		answer, err := m.askTwice(ctx, address, question)
		if err != nil {
			return all, err
		}
		rows, ok := answer.(*wire.LocalRows)
		if !ok || rows.GetFault().GetCode() != wire.Code_OK {
			return all, fmt.Errorf("the node at %s can't read its store: %s", address, faultOf(answer).GetDetail())
		}
		for _, encoded := range rows.Comments {
			c := new(records.Comment)
			if err := proto.Unmarshal(encoded, c); err != nil {
				return all, fmt.Errorf("reading another node's comment: %w", err)
			}
			c.LiveVideoId = liveVideoID
			all.comments = append(all.comments, c)
		}
		for _, id := range rows.Ids {
			all.comments = append(all.comments, &records.Comment{Id: id, LiveVideoId: liveVideoID})
		}
		all.deleted = append(all.deleted, rows.Deleted...)
		all.floor = max(all.floor, rows.Floor)
		if !rows.More {
			return all, nil
		}
		if len(rows.Comments)+len(rows.Ids) == 0 {
			return all, errors.New("an answer without an end")
		}
		if last := all.comments[len(all.comments)-1].Id; r.Desc {
			r.Before = last
		} else {
			r.After = last
		}
	}
}
