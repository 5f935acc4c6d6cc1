package schema

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"barrage/test/servers"
)

// startCluster starts servers named "pair": shards of so many replicas.
func startCluster(t *testing.T, shards, replicas int) (all []*servers.ClickHouse) {
	t.Helper()
	zooKeeper := servers.StartZooKeeper(t)
	var ports [][]int
	cluster := make([][]string, shards)
	for s := range shards {
		ports = append(ports, nil)
		for range replicas {
			port := servers.ReservedPort(t)
			ports[s] = append(ports[s], port)
			cluster[s] = append(cluster[s], "127.0.0.1:"+strconv.Itoa(port))
		}
	}
	for s := range shards {
		for r := range replicas {
			all = append(all, servers.StartClickHouse(t, servers.ClickHouseOptions{
				TCPPort:   ports[s][r],
				ZooKeeper: []string{zooKeeper},
				Clusters:  map[string][][]string{"pair": cluster},
				Macros:    map[string]string{"shard": strconv.Itoa(s), "replica": "r" + strconv.Itoa(r)},
			}))
		}
	}
	return all
}

func TestAClusterIsMigratedOnceAndKeepsOneHistory(t *testing.T) {
	for _, shape := range []struct{ shards, replicas int }{{2, 1}, {1, 2}} {
		t.Run(strconv.Itoa(shape.shards)+"x"+strconv.Itoa(shape.replicas), func(t *testing.T) {
			pair := startCluster(t, shape.shards, shape.replicas)
			ctx, cfg := soon(t), testConfig(t)
			cfg.Cluster = "pair"

			// A node at each server, and two more.
			began := time.Now()
			const nodes = 4
			results, errs := make([]Result, nodes), make([]error, nodes)
			var all sync.WaitGroup
			for i := range nodes {
				conn := connect(t, pair[i%len(pair)])
				all.Go(func() { results[i], errs[i] = Migrate(ctx, conn, cfg) })
			}
			all.Wait()
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
			t.Logf("migrated in %s", time.Since(began))
			var applied []int
			for _, result := range results {
				applied = append(applied, result.Applied...)
				if result.HistoryID != results[0].HistoryID || result.HistoryID == "" {
					t.Errorf("history %q and %q", result.HistoryID, results[0].HistoryID)
				}
			}
			if !slices.Equal(applied, allVersions) {
				t.Errorf("applied %v", applied)
			}
			for _, server := range pair {
				again, err := Migrate(ctx, connect(t, server), cfg)
				if err != nil || again.Applied != nil || again.HistoryID != results[0].HistoryID {
					t.Errorf("again: %+v, %v", again, err)
				}
				if n := server.Number(t, "SELECT count() FROM system.tables WHERE name LIKE '%lock%'"); n != 0 {
					t.Errorf("%d locks were left", n)
				}
			}

			// What one was given, the other reads, also where a shard has only
			// some live videos.
			waiting := clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{results[0].Features.DistributedSync: 1}))
			for n := range 20 {
				err := pair[0].Conn().Exec(waiting, "INSERT INTO "+cfg.in("comments")+
					" (live_video_id, comment_id, user_id, created_at_ms) SELECT ?, number, 'u', 1700000000123 FROM system.numbers LIMIT 3",
					"video "+strconv.Itoa(n))
				if err != nil {
					t.Fatal(err)
				}
			}
			for _, server := range pair {
				awaitRows(t, server, 60, "SELECT count() FROM "+cfg.in("comments"))
				awaitRows(t, server, 60, "SELECT sum(comments) FROM "+cfg.in("comments_per_minute"))
			}
			local := pair[0].Number(t, "SELECT count() FROM "+cfg.in("comments_local"))
			if shape.shards == 1 != (local == 60) {
				t.Errorf("the first server has %d of 60 rows itself", local)
			}

			// Months that are over go from every shard.
			cfg.Retention = 30 * day
			dropped, err := DropExpired(ctx, connect(t, pair[1]), cfg, results[0].Features, time.Unix(1700000000, 0).Add(90*day))
			if err != nil || !slices.Contains(dropped, "comments_local 202311") {
				t.Fatalf("dropped %v, %v", dropped, err)
			}
			for _, server := range pair {
				awaitRows(t, server, 0, "SELECT count() FROM "+cfg.in("comments_local"))
			}
		})
	}
}

func awaitRows(t *testing.T, server *servers.ClickHouse, want uint64, query string) {
	t.Helper()
	deadline := time.NewTimer(servers.Patience)
	defer deadline.Stop()
	for {
		got := server.Number(t, query)
		if got == want {
			return
		}
		select {
		case <-deadline.C:
			t.Fatalf("%s: %d, want %d", query, got, want)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func TestServersOfAClusterComeAndGo(t *testing.T) {
	pair := startCluster(t, 1, 2)
	ctx, cfg := soon(t), testConfig(t)
	cfg.Cluster = "pair"
	first, err := Migrate(ctx, connect(t, pair[0]), cfg)
	if err != nil {
		t.Fatal(err)
	}

	// A server that joins later, or lost its disk, gets it all, and the rows.
	pair[0].Exec(t, "INSERT INTO "+cfg.in("comments_local")+" (live_video_id, comment_id, created_at_ms) SELECT 'v', 1, 1700000000123")
	awaitRows(t, pair[1], 1, "SELECT count() FROM "+cfg.in("comments_local"))
	pair[1].Exec(t, "DROP DATABASE `"+cfg.Database+"`")
	joined, err := Migrate(ctx, connect(t, pair[1]), cfg)
	if err != nil || joined.Applied != nil || joined.HistoryID != first.HistoryID {
		t.Errorf("at a server that joins: %+v, %v; want %+v", joined, err, first)
	}
	awaitRows(t, pair[1], 1, "SELECT count() FROM "+cfg.in("comments"))
	awaitRows(t, pair[1], 1, "SELECT count() FROM "+cfg.in("comments_local"))

	pair[0].Kill()
	brief, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	again, err := Migrate(brief, connect(t, pair[1]), cfg)
	if err != nil || again.HistoryID != first.HistoryID {
		t.Errorf("a node that starts meanwhile: %+v, %v", again, err)
	}

	// Another database is made without the one that is away, which follows.
	cfg.Database += "_more"
	more, err := Migrate(soon(t), connect(t, pair[1]), cfg)
	if err != nil || !slices.Equal(more.Applied, allVersions) {
		t.Fatalf("while a server is away: %+v, %v", more, err)
	}
	pair[0].Start()
	awaitRows(t, pair[0], 1, "SELECT count() FROM system.tables WHERE database = '"+cfg.Database+"' AND name = 'reactions_per_minute'")
}
