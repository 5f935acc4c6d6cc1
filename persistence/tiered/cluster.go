package tiered

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"barrage/persistence"
	"barrage/persistence/records"
)

// In a cluster a live video's comments are in the embedded stores of those who
// owned it, and of those who have copies. What of that ClickHouse has:
//
//	id   0 ─────── archived ─────── floor ────────▶
//	     ClickHouse        all three     local and peers
//
// Below archived it has all, and alone knows which of it is deleted: a member
// that deleted a comment may have forgotten of it while another still has a
// copy. Deletions that are still on their way there, the owner knows (see
// embedded.Store.UnarchivedDeletions). From the floors of all members on, their
// stores have all, and all deletions. In between, where members are further
// than others, only all three together do.

var (
	errPart    = fmt.Errorf("%w: a member of the cluster does not answer", persistence.ErrUnavailable)
	errTrimmed = fmt.Errorf("%w: members' stores do not have it any more, and there is no ClickHouse", persistence.ErrUnavailable)
)

// clusterComments reads a range part by part, as it is in one place or the
// other.
func (s *Store) clusterComments(ctx context.Context, liveVideoID string, r persistence.Range) ([]*records.Comment, error) {
	if r.Limit <= 0 {
		return nil, nil
	}
	archived := s.archivedBelow()
	page := make([]*records.Comment, 0, min(r.Limit, 512))
	for rest, more := r, true; more; {
		part, isArchived := firstPart(rest, archived)
		if empty(part) {
			return page, nil
		}
		p, err := s.part(ctx, liveVideoID, part, isArchived)
		page = append(page, p.comments...)
		if err != nil {
			if !r.Desc {
				return nil, err // a page must not begin with what is newer
			}
			if len(page) > 0 {
				err = fmt.Errorf("%w: %w", persistence.ErrIncomplete, err)
			}
			return page, err
		}
		rest, more = behind(rest, part, p)
		rest.Limit = r.Limit - len(page)
		more = more && rest.Limit > 0
	}
	return page, nil
}

// archivedBelow is an id below which ClickHouse has all.
func (s *Store) archivedBelow() uint64 {
	if s.archive == nil {
		return 0
	}
	return min(s.self(), s.peers.ArchivedBelow())
}

// firstPart is the part of a range that is read first: what is archived, or
// what may not be.
func firstPart(r persistence.Range, archived uint64) (part persistence.Range, isArchived bool) {
	low, high := r, r
	if low.Before == 0 || low.Before > archived {
		low.Before = archived
	}
	if archived > 0 {
		high.After = max(high.After, archived-1)
	}
	switch {
	case archived == 0 || empty(low):
		return high, false
	case empty(high) || !r.Desc:
		return low, true
	}
	return high, false
}

func empty(r persistence.Range) bool {
	return r.After == math.MaxUint64 || r.Before != 0 && r.Before <= r.After+1
}

// piece is what was read of a part.
type piece struct {
	comments []*records.Comment
	// The first ids of the part, up to this one, are done; 0: all are.
	upTo uint64
}

// behind is what is left of a range after a piece of its first part.
func behind(r, part persistence.Range, p piece) (rest persistence.Range, more bool) {
	switch {
	case p.upTo != 0 && r.Desc:
		r.Before = p.upTo
	case p.upTo != 0:
		r.After = p.upTo
	case r.Desc:
		if part.After == 0 {
			return r, false
		}
		r.Before = part.After + 1
	default:
		if part.Before == 0 {
			return r, false
		}
		r.After = part.Before - 1
	}
	return r, !empty(r)
}

func (s *Store) part(ctx context.Context, liveVideoID string, r persistence.Range, isArchived bool) (piece, error) {
	if !isArchived {
		return s.together(ctx, liveVideoID, r, nil)
	}
	comments, err := s.archived(ctx, liveVideoID, r)
	if err != nil {
		// Perhaps the members still have it.
		return s.together(ctx, liveVideoID, r, err)
	}
	return piece{comments: comments, upTo: reach(comments, r)}, nil
}

// reach is up to where a store has answered a range: 0 if to its end.
func reach(comments []*records.Comment, r persistence.Range) uint64 {
	if len(comments) < r.Limit {
		return 0
	}
	return comments[len(comments)-1].GetId()
}

// together reads a range from the members' stores, and from the archive what
// they may lack of it; unless that is known to be away. With an error, the
// comments are the first of the range that are complete.
func (s *Store) together(ctx context.Context, liveVideoID string, r persistence.Range, away error) (piece, error) {
	others, deleted, floor, whole, err := s.peers.Comments(ctx, liveVideoID, r)
	if err != nil {
		return piece{}, unavailable(ctx, err)
	}
	if !whole {
		return piece{}, errPart
	}
	local, err := s.Store.Comments(ctx, liveVideoID, r)
	if err != nil {
		return piece{}, err
	}
	u := union{r: r, comments: merge(local, others, persistence.Range{Desc: r.Desc, Limit: len(local) + len(others)})}
	u.cut(reach(local, r))
	u.cut(reach(others, r))
	// After the reading: what was trimmed before it is below these.
	floor = max(floor, s.Floor())
	asked := floor
	if s.archive != nil {
		asked = max(asked, s.peers.CompleteFrom())
	}
	if part := below(r, asked); !empty(part) && (!r.Desc || u.upTo < asked) { // otherwise this piece ends above
		err = s.addArchive(ctx, liveVideoID, &u, part, deleted, away)
		if trimmed := below(r, floor); err != nil && empty(trimmed) {
			err = nil // nobody has more
		} else if err != nil {
			u.leaveOut(trimmed)
		}
	}
	// Last: a mark that was trimmed before is known to the archive.
	if errMarks := s.leaveOut(ctx, liveVideoID, &u, deleted); errMarks != nil {
		return piece{}, errMarks
	}
	u.comments = u.comments[:min(len(u.comments), r.Limit)]
	if n := len(u.comments); n == r.Limit {
		u.upTo = u.comments[n-1].GetId()
		if r.Desc {
			err = nil // what failed is older
		}
	}
	return piece{u.comments, u.upTo}, err
}

// union is a page that several stores give together.
type union struct {
	r        persistence.Range
	comments []*records.Comment
	upTo     uint64 // all stores have answered up to here; 0: to the end
}

// cut leaves out what is behind the answers of the stores, of which another one
// went up to an id (0: to the end).
func (u *union) cut(upTo uint64) {
	if upTo != 0 && (u.upTo == 0 || u.r.Desc == (upTo > u.upTo)) {
		u.upTo = upTo
	}
	if u.upTo == 0 {
		return
	}
	u.comments = slices.DeleteFunc(u.comments, func(c *records.Comment) bool {
		return c.GetId() != u.upTo && u.r.Desc == (c.GetId() < u.upTo)
	})
}

// below is the part of a range below an id, which may be empty.
func below(r persistence.Range, id uint64) persistence.Range {
	if r.Before == 0 || r.Before > id {
		r.Before = max(id, 1)
	}
	return r
}

// leaveOut takes a range out.
func (u *union) leaveOut(r persistence.Range) {
	u.comments = slices.DeleteFunc(u.comments, func(c *records.Comment) bool {
		return c.GetId() > r.After && c.GetId() < r.Before
	})
}

// addArchive adds what the members' stores may lack of a range, and takes out
// what they don't know to be deleted.
func (s *Store) addArchive(ctx context.Context, liveVideoID string, u *union, r persistence.Range, deleted map[uint64]bool, away error) error {
	switch {
	case s.archive == nil:
		return errTrimmed
	case away != nil:
		return away
	}
	found, err := s.archive.Comments(ctx, liveVideoID, r)
	if err != nil {
		return err
	}
	u.comments = merge(u.comments, found, persistence.Range{Desc: r.Desc, Limit: len(u.comments) + len(found)})
	u.cut(reach(found, r))
	var unsure []uint64
	for _, c := range u.comments {
		if id := c.GetId(); id > r.After && id < r.Before && !deleted[id] && !has(found, id, r.Desc) {
			unsure = append(unsure, id)
		}
	}
	gone, err := s.archive.Deleted(ctx, liveVideoID, unsure)
	if err != nil {
		return err
	}
	u.comments = slices.DeleteFunc(u.comments, func(c *records.Comment) bool { return gone[c.GetId()] })
	return nil
}

// has says whether a comment is in a page.
func has(page []*records.Comment, id uint64, desc bool) bool {
	_, ok := slices.BinarySearchFunc(page, id, func(c *records.Comment, id uint64) int {
		if desc {
			return cmp.Compare(id, c.GetId())
		}
		return cmp.Compare(c.GetId(), id)
	})
	return ok
}

// leaveOut takes out what is deleted, here or elsewhere.
func (s *Store) leaveOut(ctx context.Context, liveVideoID string, u *union, elsewhere map[uint64]bool) error {
	if len(u.comments) == 0 {
		return nil
	}
	first, last := u.comments[0].GetId(), u.comments[len(u.comments)-1].GetId()
	here, err := s.Deleted(ctx, liveVideoID, min(first, last), max(first, last))
	if err != nil {
		return err
	}
	u.comments = slices.DeleteFunc(u.comments, func(c *records.Comment) bool { return here[c.GetId()] || elsewhere[c.GetId()] })
	return nil
}

// unavailable makes an error of the members one that time may help against,
// unless it is the reader who has no time.
func unavailable(ctx context.Context, err error) error {
	if errors.Is(err, persistence.ErrUnavailable) || ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("%w: asking the members: %w", persistence.ErrUnavailable, err)
}

func (s *Store) clusterComment(ctx context.Context, liveVideoID string, id uint64) (*records.Comment, error) {
	if id == 0 {
		return nil, persistence.ErrNotFound
	}
	deleted, err := s.Deleted(ctx, liveVideoID, id, id)
	if err != nil {
		return nil, err
	}
	if deleted[id] {
		return nil, persistence.ErrNotFound
	}
	var away error
	if id < s.archivedBelow() {
		c, err := s.archive.Comment(ctx, liveVideoID, id)
		if err == nil || !errors.Is(err, persistence.ErrUnavailable) {
			return c, err
		}
		away = err
	}
	one := persistence.Range{After: id - 1, Before: id + 1, Limit: 1}
	if id == math.MaxUint64 {
		one.Before = 0
	}
	p, err := s.together(ctx, liveVideoID, one, away)
	switch {
	case len(p.comments) > 0:
		return p.comments[0], nil
	case err == nil:
		return nil, persistence.ErrNotFound
	}
	// Who deletes is the owner, which was asked before.
	if c, errLocal := s.Store.Comment(ctx, liveVideoID, id); errLocal == nil && errors.Is(err, persistence.ErrUnavailable) {
		return c, nil
	}
	return nil, err
}
