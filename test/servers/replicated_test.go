package servers

import (
	"strconv"
	"testing"
	"time"
)

func TestARowAppearsOnTheOtherReplica(t *testing.T) {
	zooKeeper := StartZooKeeper(t)
	ports := []int{ReservedPort(t), ReservedPort(t)}
	var replicas []*ClickHouse
	for i, port := range ports {
		replicas = append(replicas, StartClickHouse(t, ClickHouseOptions{
			TCPPort:   port,
			ZooKeeper: []string{zooKeeper},
			Clusters:  map[string][][]string{"both": {{loopback(ports[0]), loopback(ports[1])}}},
			Macros:    map[string]string{"shard": "1", "replica": "r" + strconv.Itoa(i)},
		}))
	}
	replicas[0].Exec(t, `CREATE TABLE shared ON CLUSTER both (n UInt64)
		ENGINE = ReplicatedMergeTree('/tables/{shard}/shared', '{replica}') ORDER BY n`)
	replicas[0].Exec(t, "CREATE TABLE everywhere AS shared ENGINE = Distributed(both, default, shared, n)")
	replicas[0].Exec(t, "INSERT INTO shared SELECT 7")
	awaitCount(t, replicas[1], "shared", 1)

	// In the orderly way: after a crash an old server's replica is read-only
	// until its old session has ended, and looks only every ten seconds.
	replicas[1].Stop()
	replicas[0].Exec(t, "INSERT INTO shared SELECT 8")
	replicas[1].Start()
	awaitCount(t, replicas[1], "shared", 2)
	awaitCount(t, replicas[0], "everywhere", 2)
}

func awaitCount(t *testing.T, c *ClickHouse, table string, want uint64) {
	t.Helper()
	deadline := time.Now().Add(Patience)
	for {
		got := c.Number(t, "SELECT count() FROM "+table)
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s has %d rows at %s, want %d", table, got, c.Addr(), want)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
