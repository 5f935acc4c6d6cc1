//go:build soak

package soak

import (
	"slices"
	"testing"
	"time"
)

// memoryWatch samples a process's resident memory.
type memoryWatch struct {
	quit, ended chan struct{}
	samples     []float64 // MB, one each second
}

func watchMemory(t *testing.T, pid int) *memoryWatch {
	t.Helper()
	w := &memoryWatch{quit: make(chan struct{}), ended: make(chan struct{})}
	w.samples = append(w.samples, memoryOf(t, pid, "VmRSS"))
	go func() {
		defer close(w.ended)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				if mb, err := readMemory(pid, "VmRSS"); err == nil {
					w.samples = append(w.samples, mb)
				}
			case <-w.quit:
				return
			}
		}
	}()
	return w
}

// stop ends the sampling.
func (w *memoryWatch) stop() {
	close(w.quit)
	<-w.ended
}

func (w *memoryWatch) highest() float64 { return slices.Max(w.samples) }

// growth is what the second half has on the average, to the first.
func (w *memoryWatch) growth() float64 {
	half := (len(w.samples) + 1) / 2
	return mean(w.samples[len(w.samples)-half:]) / mean(w.samples[:half])
}

func mean(values []float64) (m float64) {
	for _, v := range values {
		m += v / float64(len(values))
	}
	return m
}
