package membership

import (
	"log/slog"
	"time"
)

// outage logs that something fails, and that it is over, rather than each
// attempt. One goroutine uses it.
type outage struct {
	log   *slog.Logger
	what  string
	since time.Time // zero: it works
	told  time.Time
}

func (o *outage) failed(err error) {
	now := time.Now()
	if o.since.IsZero() {
		o.since = now
	}
	if o.told.IsZero() || now.Sub(o.told) >= 30*time.Second {
		o.told = now
		o.log.Warn(o.what+" fails, and is tried again", "for", now.Sub(o.since).Round(time.Millisecond), "error", err)
	}
}

func (o *outage) over() {
	if !o.since.IsZero() {
		o.log.Info(o.what+" works again", "after", time.Since(o.since).Round(time.Millisecond))
	}
	o.since, o.told = time.Time{}, time.Time{}
}
