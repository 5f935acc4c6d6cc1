//go:build soak

package soak

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"barrage/test/harness"
)

// reader reads pages of history, and takes no more out of them than ids.
type reader struct {
	base   string
	client *http.Client
}

func newReader(n *harness.Node) *reader {
	return &reader{n.URL, &http.Client{Timeout: harness.Patience, Transport: &http.Transport{MaxIdleConnsPerHost: 256}}}
}

// page reads a page; next is "" after the last one.
func (r *reader) page(ctx context.Context, room, query string) (ids []uint64, next string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.base+"/comments/"+room+"?"+query, http.NoBody)
	if err != nil {
		return nil, "", err
	}
	res, err := r.client.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %.300s", res.StatusCode, body)
	}
	if err != nil {
		return nil, "", err
	}
	return idsOf(body)
}

// idsOf finds the ids in a page's JSON. A quote within a text is escaped, so
// that these names of fields can't be in one.
func idsOf(body []byte) (ids []uint64, next string, err error) {
	page, after, ok := bytes.Cut(body, []byte(`"nextCursor":`))
	if !ok {
		return nil, "", fmt.Errorf("not a page: %.300s", body)
	}
	if after, quoted := bytes.CutPrefix(after, []byte(`"`)); quoted {
		end := bytes.IndexByte(after, '"')
		next = string(after[:max(end, 0)])
	}
	for {
		_, after, ok := bytes.Cut(page, []byte(`"id":"`))
		if !ok {
			return ids, next, nil
		}
		end := bytes.IndexByte(after, '"')
		id, err := strconv.ParseUint(string(after[:max(end, 0)]), 10, 64)
		if err != nil {
			return nil, "", err
		}
		ids = append(ids, id)
		page = after
	}
}

// walk pages through a live video from an id on, oldest first, and answers an error unless it
// has these comments, each once and in order. What is after the last of them
// was posted meanwhile, and must be in order too.
func walk(ctx context.Context, r *reader, room string, from uint64, want []uint64, took *latencies) error {
	at, last, cursor := 0, from, fmt.Sprint(from)
	for {
		began := time.Now()
		ids, next, err := r.page(ctx, room, "sort=asc&pageSize=100&cursor="+cursor)
		if err != nil {
			return fmt.Errorf("after %d comments: %w", at, err)
		}
		if took != nil {
			took.add(time.Since(began))
		}
		for _, id := range ids {
			if at < len(want) && id != want[at] {
				return fmt.Errorf("comment %d is %d, want %d", at, id, want[at])
			}
			if id <= last {
				return fmt.Errorf("%d comes after %d", id, last)
			}
			last = id
			at++
		}
		if next == "" {
			break
		}
		cursor = next
	}
	if at < len(want) {
		return fmt.Errorf("%d comments, want %d", at, len(want))
	}
	return nil
}

// same answers an error unless both are the same.
func same(got, want []uint64) error {
	if len(got) != len(want) {
		return fmt.Errorf("%d comments, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			return fmt.Errorf("comment %d is %d, want %d", i, got[i], want[i])
		}
	}
	return nil
}
