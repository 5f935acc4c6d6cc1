package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/tmaxmax/go-sse"
)

// follower hands the events of one live video to a printer.
type follower struct {
	client  *client
	video   string
	history int
	out     *printer

	lastEventID string // where to go on
}

// run follows until ctx ends, and then answers nil, or until the node refuses
// for good.
func (f *follower) run(ctx context.Context) error {
	err := persist(ctx, func() error { return f.connect(ctx) }, func(err error, pause time.Duration) {
		f.out.lost(f.video, err, pause)
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// connect follows until the node answers with an error. Streams that end or
// break are opened again by the SSE client.
func (f *follower) connect(ctx context.Context) error {
	query := url.Values{}
	if f.lastEventID == "" && f.history > 0 {
		query.Set("history", strconv.Itoa(f.history))
	}
	req, err := f.client.request(ctx, http.MethodGet, "comments/"+f.video+"/stream", query, nil)
	if err != nil {
		return err
	}
	req.Body = nil
	if f.lastEventID != "" {
		req.Header.Set("Last-Event-ID", f.lastEventID)
	}
	streams := &sse.Client{
		HTTPClient: f.client.http,
		Backoff:    sse.Backoff{MaxInterval: 30 * time.Second},
		OnRetry:    func(err error, pause time.Duration) { f.out.lost(f.video, err, pause) },
		ResponseValidator: func(res *http.Response) error {
			if err := problemOf(res); err != nil {
				return err
			}
			return sse.DefaultValidator(res)
		},
	}
	connection := streams.NewConnection(req)
	connection.SubscribeToAll(func(e sse.Event) { f.event(ctx, e) })
	err = connection.Connect()
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	return &problem{Status: http.StatusOK, Title: err.Error()} // no event stream: not for us
}

func (f *follower) event(ctx context.Context, e sse.Event) {
	switch {
	case e.Type == "" && e.Data != "":
		f.lastEventID = e.LastEventID
		f.out.comment(f.video, e.Data)
	case e.Type == "gap":
		if err := f.fillGap(ctx, e.Data); err != nil && ctx.Err() == nil {
			f.out.note(f.video, "some comments were missed and can't be fetched: %v", err)
		}
	case e.Type != "":
		f.out.event(f.video, e.Type, e.Data)
	}
}

// fillGap prints from history what the node could not deliver.
func (f *follower) fillGap(ctx context.Context, data string) error {
	var gap struct{ After, Before string }
	if err := json.Unmarshal([]byte(data), &gap); err != nil {
		return fmt.Errorf("a gap event that can't be read: %w", err)
	}
	before, err := strconv.ParseUint(gap.Before, 10, 64)
	if err != nil {
		return fmt.Errorf("a gap event that can't be read: %w", err)
	}
	since := gap.After
	for {
		rows, err := f.pageSince(ctx, since)
		if err != nil {
			return err
		}
		for _, row := range rows {
			var c comment
			if err := json.Unmarshal(row, &c); err != nil {
				return fmt.Errorf("a comment that can't be read: %w", err)
			}
			if id, err := strconv.ParseUint(c.ID, 10, 64); err != nil || id >= before {
				return err
			}
			f.out.comment(f.video, string(row))
			since = c.ID
		}
		if len(rows) == 0 {
			return nil
		}
	}
}

// pageSince answers comments after an id, oldest first; none at the end.
func (f *follower) pageSince(ctx context.Context, since string) (rows []json.RawMessage, err error) {
	query := url.Values{"since": {since}, "pageSize": {"100"}}
	err = persist(ctx, func() error {
		req, err := f.client.request(ctx, http.MethodGet, "comments/"+f.video, query, nil)
		if err != nil {
			return err
		}
		var page struct{ Comments []json.RawMessage }
		err = f.client.do(req, &page)
		rows = page.Comments
		return err
	}, func(error, time.Duration) {})
	return rows, err
}
