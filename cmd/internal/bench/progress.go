package bench

import (
	"fmt"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/sys/unix"
)

const progressEvery = 200 * time.Millisecond

// progress shows how far a phase has come on the terminal, until the function
// it returns is called. With --quiet or without a terminal it shows nothing.
func (r *run) progress(label string, total int, done func() int64) (stop func()) {
	if r.cfg.Quiet || !isTerminal(unix.Stderr) {
		return func() {}
	}
	bar := progressbar.NewOptions(max(total, 1),
		progressbar.OptionSetWriter(r.errOut),
		progressbar.OptionSetDescription(fmt.Sprintf("%-24s", label)),
		progressbar.OptionSetWidth(30),
		progressbar.OptionShowCount(),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionThrottle(progressEvery/2),
	)
	quit := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(progressEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				_ = bar.Set64(min(done(), int64(total)))
				if n := r.watching(); n > 0 {
					bar.Describe(fmt.Sprintf("%-24s %d watch", label, n))
				}
			case <-quit:
				return
			}
		}
	})
	return func() {
		close(quit)
		wg.Wait()
		_ = bar.Clear()
	}
}
