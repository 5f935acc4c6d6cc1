package e2e

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"barrage/test/harness"
	"barrage/test/servers"
)

func TestClickHouseWithAFullDiskLosesAndDoublesNothing(t *testing.T) {
	needsMount(t)
	ch := servers.NewClickHouse(t, servers.ClickHouseOptions{})
	disk := filepath.Join(ch.Dir, "data") // the log has room
	if err := os.MkdirAll(disk, 0o750); err != nil {
		t.Fatal(err)
	}
	mount(t, disk, "size=48m")
	ch.Start()
	n := harness.Start(t, keptIn(ch.Addr()))
	l := startLoad(t, n, "a", "b")
	l.arrives(ch, "before")
	ballast := filepath.Join(disk, "ballast")
	fill(t, ballast)
	waitForLog(t, n, "level=WARN", "try again", "space")
	waitForFailures(t, n, 5) // more than what makes a record suspect
	during(t, time.Second)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	l.check(ch)
}
