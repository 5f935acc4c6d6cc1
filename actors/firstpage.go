package actors

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"barrage/persistence"
)

// Everybody who opens a live video asks for its newest comments. Between two
// changes they are the same for all, so their page is put together once.

// firstPages are the newest pages of a live video that this node owns.
type firstPages struct {
	// version counts the changes of the live video's recent comments. The owner
	// raises it before anybody can know of a change.
	version atomic.Uint64
	// Sites ask for one or two sizes; others take turns in a slot.
	slots [4]atomic.Pointer[firstPage]
}

// firstPage is what was made of the newest comments at a version.
type firstPage struct {
	version uint64
	limit   int
	made    *MadePage
}

// MadePage is what an encoder has made of a page.
type MadePage struct {
	Body     []byte
	Comments int // on the page
	// From is the lowest id that can be on the page, and Holding as of Page:
	// comments that wait are for few readers, and so not in the body.
	From    uint64
	Holding bool
}

// FirstPage gives what encode makes of the newest comments of a live video, up
// to limit; its err is nil or persistence.ErrIncomplete, as of History.Page. If
// nothing has changed since, it may have been made before: encode must depend on
// nothing else, and nobody may change what it gives.
func (n *Node) FirstPage(ctx context.Context, liveVideoID string, limit int, encode func(page *Page, err error) *MadePage) (*MadePage, error) {
	owned, ok := n.firstPages.Load(liveVideoID)
	if !ok || !n.owners.Sure() {
		return n.sharedReads.do(ctx, pageKey{liveVideoID, limit}, func(ctx context.Context) (*MadePage, error) {
			made, _, err := n.readFirstPage(ctx, liveVideoID, limit, encode)
			return made, err
		})
	}
	pages := owned.(*firstPages)
	version := pages.version.Load() // before the reading, so what is read is not older
	slot := &pages.slots[limit%len(pages.slots)]
	if p := slot.Load(); p != nil && p.version == version && p.limit == limit {
		return p.made, nil
	}
	made, full, err := n.readFirstPage(ctx, liveVideoID, limit, encode)
	if full {
		// One that is not full may become longer at its end without the owner:
		// by an import.
		slot.Store(&firstPage{version, limit, made})
	}
	return made, err
}

// readFirstPage makes the newest page, and says whether it has as many comments
// as it may have.
func (n *Node) readFirstPage(ctx context.Context, liveVideoID string, limit int, encode func(page *Page, err error) *MadePage) (made *MadePage, full bool, err error) {
	page, err := n.history.Page(ctx, liveVideoID, persistence.Range{Limit: limit, Desc: true})
	if err != nil && !errors.Is(err, persistence.ErrIncomplete) {
		return nil, false, err
	}
	return encode(page, err), err == nil && len(page.Rows) == limit, nil
}

// pageKey names the newest page of a live video.
type pageKey struct {
	liveVideoID string
	limit       int
}

// sharedReads has those who want the same share a reading of it that began
// after they came: what others did before, they see. There is one reading of
// each page at a time; so a crowd at a node that is not the owner costs the
// owner no more than one reader would.
type sharedReads struct {
	mu   sync.Mutex
	keys map[pageKey]*readQueue
}

type readQueue struct{ running, next *sharedRead }

type sharedRead struct {
	done chan struct{} // closed when made and err are there
	made *MadePage
	err  error
}

// sharedReadTimeout bounds a reading; who waits for it has a context of its own.
const sharedReadTimeout = 5 * time.Second

func (s *sharedReads) do(ctx context.Context, key pageKey, read func(ctx context.Context) (*MadePage, error)) (*MadePage, error) {
	s.mu.Lock()
	if s.keys == nil {
		s.keys = map[pageKey]*readQueue{}
	}
	q := s.keys[key]
	if q == nil {
		q = &readQueue{}
		s.keys[key] = q
	}
	if q.next == nil {
		q.next = &sharedRead{done: make(chan struct{})}
	}
	mine := q.next
	if q.running == nil {
		q.running, q.next = mine, nil
		go s.run(key, q, read) //nolint:gosec // it reads for others, too
	}
	s.mu.Unlock()
	select {
	case <-mine.done:
		return mine.made, mine.err
	case <-ctx.Done():
		return nil, fmt.Errorf("reading the newest page: %w", ctx.Err())
	}
}

// run reads until nobody waits any more.
func (s *sharedReads) run(key pageKey, q *readQueue, read func(ctx context.Context) (*MadePage, error)) {
	for {
		ctx, cancel := context.WithTimeout(context.Background(), sharedReadTimeout)
		q.running.made, q.running.err = read(ctx)
		cancel()
		s.mu.Lock()
		close(q.running.done)
		q.running, q.next = q.next, nil
		if q.running == nil {
			delete(s.keys, key)
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
	}
}
