package schema

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"barrage/test/servers"
)

func TestACrashedHoldersLockIsTakenOver(t *testing.T) {
	server := servers.StartClickHouse(t, servers.ClickHouseOptions{})
	ctx, cfg := soon(t), testConfig(t)
	server.Exec(t, "CREATE DATABASE `"+cfg.Database+"`")
	crashed := cfg
	crashed.lockFor = 2 * time.Second
	lock := newLock(newEverywhere(connect(t, server), crashed))
	if mine, err := lock.acquire(ctx, notDone); !mine || err != nil {
		t.Fatal(mine, err)
	}

	brief, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if _, err := Migrate(brief, connect(t, server), cfg); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("before it expires: %v", err)
	}
	if server.Number(t, "SELECT count() FROM system.tables WHERE database = ? AND name = 'comments'", cfg.Database) != 0 {
		t.Error("tables were made without the lock")
	}

	// Several wait for it.
	const nodes = 4
	results, errs := make([]Result, nodes), make([]error, nodes)
	var all sync.WaitGroup
	for i := range nodes {
		conn := connect(t, server)
		all.Go(func() { results[i], errs[i] = Migrate(ctx, conn, cfg) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	var applied []int
	for _, result := range results {
		applied = append(applied, result.Applied...)
	}
	if !slices.Equal(applied, allVersions) {
		t.Errorf("applied %v", applied)
	}
	if err := lock.release(ctx); err != nil {
		t.Errorf("a holder that comes back too late: %v", err)
	}
	if n := server.Number(t, "SELECT count() FROM system.tables WHERE name LIKE '%lock%'"); n != 0 {
		t.Errorf("%d locks were left", n)
	}
}

func TestALateThiefDoesNotTakeAFreshLock(t *testing.T) {
	server := servers.StartClickHouse(t, servers.ClickHouseOptions{})
	ctx, cfg := soon(t), testConfig(t)
	server.Exec(t, "CREATE DATABASE `"+cfg.Database+"`")
	short := cfg
	short.lockFor = time.Second
	crashed := newLock(newEverywhere(connect(t, server), short))
	if mine, err := crashed.acquire(ctx, notDone); !mine || err != nil {
		t.Fatal(mine, err)
	}
	next := newLock(newEverywhere(connect(t, server), cfg))
	if mine, err := next.acquire(ctx, notDone); !mine || err != nil {
		t.Fatal(mine, err)
	}
	late := newLock(newEverywhere(connect(t, server), cfg)) // it read the crashed one's lock before next took over
	if err := late.remove(ctx, crashed.holder); err != nil {
		t.Error(err)
	}
	if _, held, err := late.read(ctx); err != nil || held == nil || held.holder != next.holder {
		t.Errorf("the lock is %+v, %v", held, err)
	}
}

func notDone() (bool, error) { return false, nil }
