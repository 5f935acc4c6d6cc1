package embedded

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"google.golang.org/protobuf/proto"

	"barrage/persistence"
	"barrage/persistence/records"
)

// Position is a place in the order of Scan: that of a comment, whether or not
// it is there. The zero value is before the first.
type Position struct {
	LiveVideoID string
	CommentID   uint64
}

// scanCheck is after how many comments a Scan looks whether it is still wanted.
const scanCheck = 256

// Scan gives the comments behind a position to fn, those of one live video
// after the other: videos in the order of their bytes, as ClickHouse has it
// too, comments by id. It shows one moment of the store, the one of the call.
// It ends at the first error of fn and answers that. fn may keep the comment.
func (s *Store) Scan(ctx context.Context, after Position, fn func(*records.Comment) error) (err error) {
	if !s.gate.enter() {
		return persistence.ErrClosed
	}
	defer s.gate.leave()
	it, err := s.allOf(ctx, commentKind)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, wrap(it.Close())) }()
	sc := scan{it: it, kind: commentKind, fn: fn}
	if err := sc.begin(after.LiveVideoID); err != nil {
		return err
	}
	for {
		video, err := sc.next()
		if err != nil || video == nil {
			return err
		}
		from := uint64(0)
		if *video == after.LiveVideoID {
			from = after.CommentID
		}
		if err := sc.video(ctx, *video, from); err != nil {
			return err
		}
	}
}

// scan walks over the keys of a kind. These sort by the length of the video's
// id first, so there is a head for each length: the next video that has it. The
// least of the heads is the next video of all.
type scan struct {
	it    *pebble.Iterator
	kind  byte
	fn    func(*records.Comment) error
	heads []string
	count int
}

// begin finds the first video of each length that is not before another.
func (s *scan) begin(first string) error {
	from := []byte{s.kind}
	for {
		video, err := s.seek(from)
		if err != nil || video == nil {
			return err
		}
		length := binary.AppendUvarint([]byte{s.kind}, uint64(len(*video)))
		if err := s.seekHead(length, len(*video), first); err != nil {
			return err
		}
		// Behind all that begin with this length: the last byte of a uvarint is
		// below 0x80, so there is a next one.
		length[len(length)-1]++
		from = length
	}
}

// seekHead adds the first video of this length that is not before another.
func (s *scan) seekHead(prefix []byte, length int, from string) error {
	// Of two names of which one begins the other, the shorter is first: cut to
	// the length, from is before all that from itself is before.
	key := append(slices.Clip(prefix), from[:min(len(from), length)]...)
	video, err := s.seek(key)
	if err == nil && video != nil && len(*video) == length && *video < from {
		video, err = s.seek(s.behind(*video))
	}
	if err == nil && video != nil && len(*video) == length {
		s.heads = append(s.heads, *video)
	}
	return err
}

// next takes the least of the heads, and puts the next video of its length in
// its place; nil if there is none.
func (s *scan) next() (*string, error) {
	if len(s.heads) == 0 {
		return nil, nil //nolint:nilnil // as documented
	}
	least := 0
	for i, head := range s.heads {
		if head < s.heads[least] {
			least = i
		}
	}
	video := s.heads[least]
	s.heads = slices.Delete(s.heads, least, least+1)
	following, err := s.seek(s.behind(video))
	if err == nil && following != nil && len(*following) == len(video) {
		s.heads = append(s.heads, *following)
	}
	return &video, err
}

// seek answers the video of the first key not before a key, nil if there is
// none.
func (s *scan) seek(key []byte) (*string, error) {
	if !s.it.SeekGE(key) {
		return nil, wrap(s.it.Error())
	}
	video, err := videoOf(s.it.Key())
	if err != nil {
		return nil, err
	}
	return &video, nil
}

// video gives a video's comments with ids above after to fn.
func (s *scan) video(ctx context.Context, video string, after uint64) error {
	prefix := appendVideo(nil, commentKind, video)
	lower, upper, ok := idBounds(prefix, after, 0)
	if !ok {
		return nil
	}
	for valid := s.it.SeekGE(lower); valid && string(s.it.Key()) < string(upper); valid = s.it.Next() {
		if s.count++; s.count%scanCheck == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		value, err := s.it.ValueAndErr()
		if err != nil {
			return wrap(err)
		}
		id := be.Uint64(s.it.Key()[len(prefix):])
		c := new(records.Comment)
		if err := proto.Unmarshal(value, c); err != nil {
			return fmt.Errorf("embedded store: comment %d is damaged: %w", id, err)
		}
		c.Id, c.LiveVideoId = id, video
		if err := s.fn(c); err != nil {
			return err
		}
	}
	return wrap(s.it.Error())
}

// behind is above all keys of a video.
func (s *scan) behind(video string) []byte { return endOf(appendVideo(nil, s.kind, video)) }

func wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("embedded store: %w", err)
}

// CommentCount is how many comments all live videos have in history.
func (s *Store) CommentCount(ctx context.Context) (n uint64, err error) {
	if !s.gate.enter() {
		return 0, persistence.ErrClosed
	}
	defer s.gate.leave()
	it, err := s.allOf(ctx, totalsKind)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, wrap(it.Close())) }()
	for valid := it.First(); valid; valid = it.Next() {
		var t records.VideoTotals
		if err := proto.Unmarshal(it.Value(), &t); err != nil {
			return 0, fmt.Errorf("embedded store: damaged totals under %q: %w", it.Key(), err)
		}
		n += t.GetComments()
	}
	return n, wrap(it.Error())
}

// allOf iterates over the keys of a kind.
func (s *Store) allOf(ctx context.Context, kind byte) (*pebble.Iterator, error) {
	return allOf(ctx, s.db, kind)
}

func allOf(ctx context.Context, r pebble.Reader, kind byte) (*pebble.Iterator, error) {
	it, err := r.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: []byte{kind}, UpperBound: []byte{kind + 1}})
	return it, wrap(err)
}
