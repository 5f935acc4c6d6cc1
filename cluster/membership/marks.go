package membership

import (
	"context"
	"encoding/json"
	"time"
)

// mark says that a membership has ended.
type mark struct {
	By  string `json:"by"`
	Why string `json:"why"`
	At  int64  `json:"at"` // Unix time in s
}

func (m mark) time() time.Time { return time.Unix(m.At, 0) }

// readMark takes a mark that makes no sense for one all the same.
func readMark(text []byte) (m mark) {
	_ = json.Unmarshal(text, &m)
	return m
}

// markLife is how long marks are kept: longer than any process stands still
// that then goes on.
const markLife = 7 * 24 * time.Hour

// mark puts a membership out. It is no error that it was out before.
func (c *Consul) mark(ctx context.Context, id, why string) error {
	text, err := json.Marshal(mark{c.Self().ID, why, time.Now().Unix()})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.config.FailureTimeout)
	defer cancel()
	done, err := c.backend.put(ctx, c.reader.prefix+goneKeys+id, text, 0)
	if done {
		c.config.Log.Info("a membership has ended", "member", id, "why", why)
	}
	return err
}

// forgetMarks deletes those that nobody needs any more.
func (c *Consul) forgetMarks(ctx context.Context, r *reading) error {
	deleted := false
	for id, at := range r.marks {
		if _, registered := r.find(id); registered || time.Since(at) < markLife {
			continue
		}
		if err := c.backend.remove(ctx, c.reader.prefix+goneKeys+id); err != nil {
			return err
		}
		deleted = true
	}
	if !deleted {
		return nil
	}
	// The highest index of the keys must not fall when the deleted are gone.
	_, err := c.backend.put(ctx, c.reader.prefix+epochKey, r.epoch.bytes(), r.epochAt)
	return err
}
