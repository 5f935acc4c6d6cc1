package actors

import (
	"context"
	"errors"
	"sync/atomic"

	"barrage/actors/wire"
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
	made    []byte
}

// FirstPage gives what encode makes of the newest comments of a live video, up
// to limit; its err is nil or persistence.ErrIncomplete, as of History.Rows. If
// nothing has changed since, it may have been made before: encode must depend on
// nothing else, and nobody may change what it gives.
func (n *Node) FirstPage(ctx context.Context, liveVideoID string, limit int, encode func(rows []*wire.Row, err error) []byte) ([]byte, error) {
	var slot *atomic.Pointer[firstPage]
	var version uint64
	if owned, ok := n.firstPages.Load(liveVideoID); ok {
		pages := owned.(*firstPages)
		version = pages.version.Load() // before the reading, so what is read is not older
		slot = &pages.slots[limit%len(pages.slots)]
		if p := slot.Load(); p != nil && p.version == version && p.limit == limit {
			return p.made, nil
		}
	}
	rows, err := n.history.Rows(ctx, liveVideoID, persistence.Range{Limit: limit, Desc: true})
	if err != nil && !errors.Is(err, persistence.ErrIncomplete) {
		return nil, err
	}
	made := encode(rows, err)
	if slot != nil && err == nil && len(rows) == limit {
		// One that is not full may become longer at its end without the owner:
		// by an import.
		slot.Store(&firstPage{version, limit, made})
	}
	return made, nil
}
