package embedded

import (
	"context"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"google.golang.org/protobuf/proto"

	"barrage/persistence"
	"barrage/persistence/records"
)

// Comment implements persistence.Store.
func (s *Store) Comment(ctx context.Context, liveVideoID string, id uint64) (*records.Comment, error) {
	if !s.gate.enter() {
		return nil, persistence.ErrClosed
	}
	defer s.gate.leave()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c := new(records.Comment)
	found, err := getProto(s.db, commentKey(nil, liveVideoID, id), c)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, persistence.ErrNotFound
	}
	c.Id, c.LiveVideoId = id, liveVideoID
	return c, nil
}

// Totals implements persistence.Store.
func (s *Store) Totals(ctx context.Context, liveVideoID string) (*records.VideoTotals, error) {
	if !s.gate.enter() {
		return nil, persistence.ErrClosed
	}
	defer s.gate.leave()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t := new(records.VideoTotals)
	if _, err := getProto(s.db, totalsKey(nil, liveVideoID), t); err != nil {
		return nil, err
	}
	return t, nil
}

// KeptAnswer implements persistence.Store.
func (s *Store) KeptAnswer(ctx context.Context, liveVideoID, userID, key string) (*records.KeptAnswer, error) {
	if !s.gate.enter() {
		return nil, persistence.ErrClosed
	}
	defer s.gate.leave()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	d := digestOf(liveVideoID, userID, key)
	now := bucketOf(s.cfg.Now().UnixMilli())
	for _, in := range [...]bucket{now + 1, now, max(now, 1) - 1} {
		k := new(records.KeptAnswer)
		found, err := getProto(s.db, keptKey(nil, in, d), k)
		if err != nil {
			return nil, err
		}
		if found && k.Comment != nil {
			k.Comment.LiveVideoId, k.Comment.UserId = liveVideoID, userID
			return k, nil
		}
	}
	return nil, persistence.ErrNotFound
}

// Comments implements persistence.Store. It reads no more than it answers.
func (s *Store) Comments(ctx context.Context, liveVideoID string, r persistence.Range) ([]*records.Comment, error) {
	if !s.gate.enter() {
		return nil, persistence.ErrClosed
	}
	defer s.gate.leave()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if r.Parent != 0 {
		return s.replies(ctx, liveVideoID, r)
	}
	p := pageOf(liveVideoID, r)
	err := p.walk(ctx, s.db, appendVideo(nil, commentKind, liveVideoID), func(id uint64, value []byte) error {
		return p.add(id, value)
	})
	return p.comments, err
}

// replies goes through the index. The snapshot keeps a comment that is deleted
// meanwhile from leaving a hole in the page.
func (s *Store) replies(ctx context.Context, liveVideoID string, r persistence.Range) (_ []*records.Comment, err error) {
	snapshot := s.db.NewSnapshot()
	defer snapshot.Close() //nolint:errcheck // it only fails when closed twice
	p := pageOf(liveVideoID, r)
	var key []byte
	err = p.walk(ctx, snapshot, replyPrefix(nil, liveVideoID, r.Parent), func(id uint64, _ []byte) error {
		key = commentKey(key[:0], liveVideoID, id)
		value, closer, err := snapshot.Get(key)
		if err != nil {
			return fmt.Errorf("embedded store: reply %d: %w", id, err)
		}
		defer closer.Close() //nolint:errcheck // only lets go of a block
		return p.add(id, value)
	})
	return p.comments, err
}

// page is an answer in the making.
type page struct {
	persistence.Range
	video    string
	comments []*records.Comment
}

func pageOf(video string, r persistence.Range) *page {
	return &page{Range: r, video: video, comments: make([]*records.Comment, 0, max(0, min(r.Limit, 512)))}
}

func (p *page) add(id uint64, value []byte) error {
	c := new(records.Comment)
	if !p.IDsOnly {
		if err := proto.Unmarshal(value, c); err != nil {
			return fmt.Errorf("embedded store: comment %d is damaged: %w", id, err)
		}
	}
	c.Id, c.LiveVideoId = id, p.video
	p.comments = append(p.comments, c)
	return nil
}

// walk visits the ids of the range behind a prefix, in the range's order, until
// there are enough.
func (p *page) walk(ctx context.Context, r pebble.Reader, prefix []byte, visit func(id uint64, value []byte) error) (err error) {
	lower, upper, ok := idBounds(prefix, p.After, p.Before)
	if !ok || p.Limit <= 0 {
		return nil
	}
	it, err := r.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return fmt.Errorf("embedded store: %w", err)
	}
	defer func() {
		if errClose := it.Close(); err == nil && errClose != nil {
			err = fmt.Errorf("embedded store: %w", errClose)
		}
	}()
	start, next := it.First, it.Next
	if p.Desc {
		start, next = it.Last, it.Prev
	}
	for valid := start(); valid && len(p.comments) < p.Limit; valid = next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return fmt.Errorf("embedded store: %w", err)
		}
		if err := visit(be.Uint64(it.Key()[len(prefix):]), value); err != nil {
			return err
		}
	}
	return nil
}
