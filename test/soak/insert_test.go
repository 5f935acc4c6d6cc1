//go:build soak

package soak

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"testing"
	"time"

	"barrage/persistence"
	"barrage/persistence/clickhouse"
	"barrage/persistence/journal"
)

// As a node has them, see docs/configuration.md.
const (
	batchRows  = 50_000
	batchDelay = time.Second
	batchBytes = 16 << 20
)

// TestInsertPath measures how fast records get from a journal into ClickHouse
// with the whole schema, through the pump that a node has.
func TestInsertPath(t *testing.T) {
	f := newFigures(t)
	ch := startClickHouse(t)
	db := prepared(t, ch)
	dir := t.TempDir()
	j, err := journal.Open(journal.Config{Dir: filepath.Join(dir, "journal")})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	n := scaled(t, 2_000_000)
	c := newCorpus(t, 1, time.Now().Add(-time.Hour))
	contents := c.fill(t, j, n, 2000)
	f.add("size of a record", float64(c.bytes)/float64(n), "bytes")

	writer, err := clickhouse.NewWriter(clickhouse.WriterConfig{DB: db, Dir: filepath.Join(dir, "clickhouse"), Node: "node-1"})
	if err != nil {
		t.Fatal(err)
	}
	var (
		m       insertMeter
		reading time.Duration
	)
	pump, err := persistence.NewPump(persistence.PumpConfig{
		Log: j, Store: writer, SyncBytes: 1, Events: persistence.PumpEvents{Applied: m.applied},
		Read: func(after persistence.LSN) persistence.EntryReader {
			return persistence.Gather(timedReader{j.Reader(after), &reading}, batchDelay, batchRows, batchBytes)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	profile := filepath.Join(dir, "cpu.pprof")
	out, err := os.Create(profile)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := pprof.StartCPUProfile(out); err != nil {
		t.Fatal(err)
	}
	own, server := ownCPU(), cpuOf(t, ch.PID())
	m.began = time.Now()
	pump.Start()
	err = pump.WaitApplied(t.Context(), persistence.LSN(n))
	own, server = ownCPU()-own, cpuOf(t, ch.PID())-server
	pprof.StopCPUProfile()
	if err != nil {
		t.Fatal(err)
	}
	if err := pump.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	m.report(f)
	f.add("CPU of this process for a million records", own/float64(n)*1e6, "s")
	f.add("CPU of ClickHouse for a million records", server/float64(n)*1e6, "s")
	f.add("share of the time that the reader read, beside the sending", reading.Seconds()/m.last.Sub(m.began).Seconds(), "")
	printProfile(t, profile)
	checkContents(t, ch, contents)
}

// insertMeter notes what a pump applies. The last batch is left out of the
// rates: it is small, and waits for more.
type insertMeter struct {
	began, last      time.Time
	batches, records int
	sending          time.Duration
}

func (m *insertMeter) applied(entries int, took time.Duration) {
	now := time.Now()
	if entries < batchRows/2 && m.records > 0 {
		return
	}
	m.batches++
	m.records += entries
	m.sending += took
	m.last = now
}

func (m *insertMeter) report(f *figures) {
	took := m.last.Sub(m.began)
	f.atLeast("records into ClickHouse", float64(m.records)/took.Seconds(), "a second", 200_000)
	f.add("records of a batch", float64(m.records)/float64(m.batches), "")
	f.add("share of the time that batches were sent", m.sending.Seconds()/took.Seconds(), "")
}

// printProfile prints where this process's CPU time went.
func printProfile(t *testing.T, file string) {
	t.Helper()
	for _, order := range []string{"-flat", "-cum"} {
		args := []string{"tool", "pprof", "-top", "-nodecount=25", order, file}
		text, err := exec.Command("go", args...).CombinedOutput()
		if err != nil {
			t.Errorf("go tool pprof: %v", err)
		}
		fmt.Printf("%s\n", text)
	}
}
