package transfer

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/sys/unix"
)

const (
	barEvery  = 200 * time.Millisecond
	lineEvery = 5 * time.Second
)

// Progress shows how far a transfer has come: a bar on a terminal, and a line
// every few seconds elsewhere.
type Progress struct {
	Out   io.Writer
	Label string // what is done, like "exporting"
	// Total is how much there is to do, at most 0 if that isn't known, in
	// bytes or comments.
	Total int64
	Bytes bool
	// Done is how much is done; Comments how many comments that are.
	Done, Comments func() int64
}

// Show shows it until the function that it returns is called.
func (p *Progress) Show() (stop func()) {
	quit := make(chan struct{})
	var wg sync.WaitGroup
	if IsTerminal(p.Out) {
		wg.Go(func() { p.bar(quit) })
	} else {
		wg.Go(func() { p.lines(quit) })
	}
	return func() {
		close(quit)
		wg.Wait()
	}
}

func (p *Progress) bar(quit <-chan struct{}) {
	total := p.Total
	if total <= 0 {
		total = -1 // a spinner
	}
	options := []progressbar.Option{
		progressbar.OptionSetWriter(p.Out),
		progressbar.OptionSetDescription(p.Label),
		progressbar.OptionSetWidth(30),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionThrottle(barEvery / 2),
	}
	if p.Bytes {
		options = append(options, progressbar.OptionShowBytes(true))
	} else {
		options = append(options, progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("comments"))
	}
	bar := progressbar.NewOptions64(total, options...)
	defer func() { _ = bar.Clear() }() // a bar that stays is ugly, no more
	tick := time.NewTicker(barEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			done := p.Done()
			if total > 0 {
				// A count may be too low; a bar that is full ends itself.
				done = min(done, total-1)
			}
			if p.Bytes {
				bar.Describe(fmt.Sprintf("%s, %d comments", p.Label, p.Comments()))
			}
			_ = bar.Set64(done)
		case <-quit:
			return
		}
	}
}

func (p *Progress) lines(quit <-chan struct{}) {
	tick := time.NewTicker(lineEvery)
	defer tick.Stop()
	at, began := p.Comments(), time.Now()
	for {
		select {
		case now := <-tick.C:
			comments := p.Comments()
			text := fmt.Sprintf("%s: %d comments", p.Label, comments)
			if p.Total > 0 {
				text += fmt.Sprintf(", %d%%", min(100, 100*p.Done()/p.Total))
			}
			fmt.Fprintf(p.Out, "%s, %s\n", text, Rate(comments-at, now.Sub(began)))
			at, began = comments, now
		case <-quit:
			return
		}
	}
}

// Rate says how many comments a second that are.
func Rate(comments int64, took time.Duration) string {
	return fmt.Sprintf("%.0f a second", float64(comments)/max(took.Seconds(), 0.001))
}

// IsTerminal answers whether somebody sees what is written there.
func IsTerminal(w any) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
