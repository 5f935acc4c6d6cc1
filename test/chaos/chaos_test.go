//go:build chaos

package chaos

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"barrage/test/harness"
	"barrage/test/netns"
)

// TestChaos breaks things for CHAOS_MINUTES. All faults have been when one
// comes for the second time.
func TestChaos(t *testing.T) {
	w := newWorld(t, worldOptions{network: networkIfAny(t), clickHouse: true, users: 100})
	var nodes, beside []*fault
	for _, f := range faults {
		switch {
		case f.cuts && w.network == nil:
			w.say("NOT RUN: %s", f.name)
		default:
			nodes = append(nodes, f)
			if f.run == nil {
				beside = append(beside, f)
			}
		}
	}
	c := w.newCrowd()
	begun, length := time.Now(), minutes(t, 18)
	done := 0
	for time.Since(begun) < length {
		for _, i := range w.random.Perm(len(nodes)) {
			if time.Since(begun) >= length {
				break
			}
			f := nodes[i]
			var other *fault
			if f.run != nil && w.random.IntN(4) == 0 {
				other = beside[w.random.IntN(len(beside))]
			}
			w.do(f, other, 1)
			done++
			time.Sleep(time.Duration(w.random.IntN(3000)) * time.Millisecond)
		}
	}
	w.say("%d faults", done)
	w.finish(c)
}

// minutes is how long faults go on.
func minutes(t *testing.T, usual float64) time.Duration {
	t.Helper()
	if text := os.Getenv(envMinutes); text != "" {
		m, err := strconv.ParseFloat(text, 64)
		if err != nil || m <= 0 {
			t.Fatalf("%s=%q", envMinutes, text)
		}
		usual = m
	}
	return time.Duration(usual * float64(time.Minute))
}

// networkIfAny is a network for a cluster, or nil where that can't be had: then
// a subtest is skipped, by a name that says what isn't tested.
func networkIfAny(t *testing.T) *netns.Network {
	t.Helper()
	possible := false
	t.Run("nodes are cut off", func(t *testing.T) {
		netns.New(t, "probe")
		possible = true
	})
	if !possible {
		fmt.Printf("NOT RUN: %s cuts no node off\n", t.Name())
		return nil
	}
	return netns.New(t, nodeName(0), nodeName(1), nodeName(2), harness.ConsulHost)
}
