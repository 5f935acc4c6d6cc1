package persistence

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// errDrained ends the goroutine in order.
var errDrained = errors.New("drained")

// pumping is the state of the pump's goroutine.
type pumping struct {
	*Pump
	reader EntryReader
	at     LSN // the position behind which the reader stands

	unsynced  int       // bytes applied since the last sync
	syncAt    time.Time // when to sync next; zero: nothing to sync
	syncFails int       // in a row
}

func (p *Pump) run() {
	defer close(p.done)
	// What an earlier run left may be trimmable, so the first sync is due now.
	s := &pumping{Pump: p, syncAt: time.Now()}
	s.seek()
	err := s.loop()
	if errClose := s.reader.Close(); errClose != nil {
		p.cfg.Logger.Warn("pump: closing the reader", "err", errClose)
	}
	if !errors.Is(err, errDrained) {
		p.drainErr = err
	}
}

// seek begins to read where the store stands.
func (s *pumping) seek() {
	if s.reader != nil {
		if err := s.reader.Close(); err != nil {
			s.cfg.Logger.Warn("pump: closing the reader", "err", err)
		}
	}
	s.at = s.cfg.Store.AppliedLSN()
	s.reader = s.cfg.Read(s.at)
}

// loop ends with errDrained, or with the error of the hard context.
func (s *pumping) loop() error {
	for fails := 0; ; {
		entries, err := s.read()
		switch {
		case s.hard.Err() != nil:
			return s.hard.Err()
		case err != nil:
			s.fail("read", err)
			if err := s.sleep(s.backOff(fails)); err != nil {
				return err
			}
			fails++
		case len(entries) > 0:
			fails = 0
			if err := s.apply(entries); err != nil {
				return err
			}
		}
		if err := s.syncIfDue(); err != nil {
			return err
		}
	}
}

// drained says that the pump is to stop and nothing is left to apply.
func (s *pumping) drained() bool {
	return s.soft.Err() != nil && s.at >= s.cfg.Log.LastLSN()
}

// read waits for entries, and answers none if it is time to do something else.
func (s *pumping) read() ([]Entry, error) {
	if s.drained() {
		return nil, nil
	}
	ctx := s.soft
	if s.soft.Err() != nil {
		ctx = s.hard
	}
	if !s.syncAt.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, s.syncAt)
		defer cancel()
	}
	entries, err := s.reader.Next(ctx, s.cfg.BatchEntries, s.cfg.BatchBytes)
	if errors.Is(err, ErrClosed) && s.soft.Err() == nil {
		// The journal has ended and all of it is applied; a stop is to follow.
		<-ctx.Done()
	}
	if err != nil && ctx.Err() != nil {
		return nil, nil
	}
	return entries, err
}

// backOff answers a delay that doubles with each failure, with jitter so that
// nodes that lost the same store don't return to it in step.
func (s *pumping) backOff(fails int) time.Duration {
	d := s.cfg.RetryMin << min(fails, 20)
	if d <= 0 || d > s.cfg.RetryMax {
		d = s.cfg.RetryMax
	}
	return d/2 + rand.N(d/2+1) //nolint:gosec // no secret
}

func (s *pumping) sleep(d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-s.hard.Done():
		return s.hard.Err()
	}
}

func (s *pumping) fail(operation string, err error) {
	s.cfg.Events.Failed(operation, err)
	s.cfg.Logger.Warn("pump: will try again", "operation", operation, "at", s.at, "err", err)
}
