package httpedge

import (
	"context"
	"errors"

	"github.com/valyala/fasthttp"

	"barrage/actors"
	"barrage/actors/wire"
	"barrage/persistence"
)

// answerPage answers with the comments of a range, and with those of them that
// wait for a moderator, if the reader may see them.
func (e *Edge) answerPage(ctx *fasthttp.RequestCtx, video string, reader *user, r persistence.Range) error {
	body, _, err := e.readPage(video, reader, r)
	if err != nil {
		return err
	}
	answerJSON(ctx, fasthttp.StatusOK, body)
	return nil
}

// readPage reads what answerPage answers, and says how many comments are on the
// page.
func (e *Edge) readPage(video string, reader *user, r persistence.Range) (body []byte, comments int, err error) {
	deadline, cancel := context.WithTimeout(context.Background(), readDeadline)
	defer cancel()
	page, through, err := e.makePage(deadline, video, r)
	if err != nil {
		return nil, 0, err
	}
	body = page.Body
	if reader != nil && page.Holding {
		held, err := e.held(deadline, video, reader, 0)
		if err != nil {
			return nil, 0, err
		}
		if held = within(held, page.From, through, r.Parent); len(held) > 0 {
			body = spliced(nil, body, func(to []byte) []byte {
				return heldJSON(append(to, `,"held":`...), held, reader)
			})
		}
	}
	return body, page.Comments, nil
}

// emptyPage has no comments.
var emptyPage = pageJSON(&actors.Page{}, 0, nil)

// makePage makes the page of a range, without comments that wait. through is
// the highest id that can be on it, 0: the newest.
func (e *Edge) makePage(ctx context.Context, video string, r persistence.Range) (made *actors.MadePage, through uint64, err error) {
	size := r.Limit
	r.Limit++ // one more shows whether there is a next page
	if r == (persistence.Range{Limit: r.Limit, Desc: true}) {
		made, err = e.backend.Node.FirstPage(ctx, video, r.Limit, func(page *actors.Page, err error) *actors.MadePage {
			made := &actors.MadePage{Body: pageJSON(page, size, err), Comments: min(len(page.Rows), size), Holding: page.Holding}
			if hasNext(page, size, err) {
				made.From = lastOf(page, size)
			}
			return made
		})
		return made, 0, err
	}
	page, err := e.backend.Node.History().Page(ctx, video, r)
	if err != nil && !errors.Is(err, persistence.ErrIncomplete) {
		return nil, 0, err
	}
	made = &actors.MadePage{Body: pageJSON(page, size, err), Comments: min(len(page.Rows), size), Holding: page.Holding, From: r.After}
	through = r.Before
	if hasNext(page, size, err) {
		if last := lastOf(page, size); r.Desc {
			made.From = last
		} else {
			through = last
		}
	}
	return made, through, nil
}

// within leaves of comments that wait those of a page: their ids are between
// those of its comments. through 0 is the newest; parent 0 is any.
func within(held []*wire.HeldRow, from, through, parent uint64) []*wire.HeldRow {
	var inside []*wire.HeldRow
	for _, h := range held {
		id := h.Row.Id
		if id >= from && (through == 0 || id <= through) && (parent == 0 || h.Row.ParentId == parent) {
			inside = append(inside, h)
		}
	}
	return inside
}

// hasNext says whether another page follows. If more can't be read now (err),
// it does, and this one is short: what is at hand is better than none.
func hasNext(page *actors.Page, size int, err error) bool { return len(page.Rows) > size || err != nil }

func lastOf(page *actors.Page, size int) uint64 { return page.Rows[min(len(page.Rows), size)-1].Id }

// pageJSON makes a page of up to size comments.
func pageJSON(page *actors.Page, size int, err error) []byte {
	body := []byte(`{"comments":[`)
	for i, row := range page.Rows[:min(len(page.Rows), size)] {
		if i > 0 {
			body = append(body, ',')
		}
		replies, reactions := page.Replies[row.Id], page.Reactions[row.Id]
		if replies == 0 && len(reactions) == 0 {
			body = append(body, actors.RowJSON(row)...)
			continue
		}
		body = spliced(body, actors.RowJSON(row), number("replyCount", replies), counts("reactions", reactions))
	}
	body = append(body, `],"nextCursor":`...)
	if hasNext(page, size, err) {
		body = append(body, '"')
		body = append(body, actors.FormatID(lastOf(page, size))...)
		return append(body, `"}`...)
	}
	return append(body, `null}`...)
}
