package schema

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// ClickHouse has no locks. But of two that create the same table one fails, and
// of two that rename a table to the same name one fails. So the lock is a table
// whose columns' names say who holds it and until when, by the server's clock.
//
// A lock that has expired is moved out of the way to a name made of its holder:
// of several that saw it expire, only one can. A holder that only was slow, or
// two that got past all this, do no harm: every statement can be run again, and
// a cluster runs all servers' statements in one order.
const (
	lockTable = "barrage_migration_lock"
	// lockFor is more than the migrations take, and short enough to wait for
	// after a crash.
	lockFor  = time.Minute
	lockPoll = 200 * time.Millisecond
	// releaseWithin is how long the lock may be given back after the caller
	// gave up.
	releaseWithin = 10 * time.Second
)

type lock struct {
	*everywhere
	holder string // of this process: part of a table's and a column's name
}

// holding is what the lock's table says.
type holding struct {
	holder  string
	expires int64 // Unix seconds
}

var notInNames = regexp.MustCompile(`\W`)

func newLock(e *everywhere) *lock {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	host = notInNames.ReplaceAllString(host, "_")
	return &lock{e, fmt.Sprintf("%.40s_%d_%s", host, os.Getpid(), strings.ToLower(rand.Text()))}
}

// acquire waits until the lock is ours or done says that there is nothing left
// to do; it answers whether the lock is ours.
func (l *lock) acquire(ctx context.Context, done func() (bool, error)) (bool, error) {
	said := ""
	for {
		now, held, err := l.read(ctx)
		switch {
		case err != nil:
			return false, err
		case held == nil:
			if mine, err := l.create(ctx, now); mine || err != nil {
				return mine, err
			}
		case held.expires <= now:
			l.cfg.logger().Warn("taking over an expired migration lock", "holder", held.holder)
			if err := l.remove(ctx, held.holder); err != nil {
				return false, err
			}
		case held.holder != said:
			said = held.holder
			l.cfg.logger().Info("waiting for another node's migration", "holder", held.holder)
		}
		select {
		case <-ctx.Done():
			return false, fmt.Errorf("waiting for %s, held by %q: %w", lockTable, said, ctx.Err())
		case <-time.After(lockPoll):
		}
		if nothingLeft, err := done(); nothingLeft || err != nil {
			return false, err
		}
	}
}

// create answers whether the lock is ours now.
func (l *lock) create(ctx context.Context, now int64) (bool, error) {
	lasts := l.cfg.lockFor
	if lasts == 0 {
		lasts = lockFor
	}
	failed := l.exec(ctx, fmt.Sprintf("CREATE TABLE %s%s (holder_%s UInt8, expires_%d UInt8) ENGINE = Memory",
		l.cfg.in(lockTable), l.cfg.onCluster(), l.holder, now+int64(lasts/time.Second)))
	// What counts is what is there: in a cluster one server's refusal or
	// slowness is reported while others, and ours, did it.
	var held *holding
	err := l.settle(ctx, func() (bool, error) {
		_, held, err := l.read(ctx)
		return held != nil, err
	})
	if err == nil {
		_, held, err = l.read(ctx)
	}
	switch {
	case err != nil:
		return false, errors.Join(failed, err)
	case held != nil:
		return held.holder == l.holder, nil
	case failed == nil || alreadyExists(failed):
		return false, nil // it came and went
	}
	return false, fmt.Errorf("creating %s: %w", lockTable, failed)
}

// remove makes way: only one of those who saw this holder's lock can move it.
func (l *lock) remove(ctx context.Context, holder string) error {
	aside := lockTable + "_" + holder
	err := l.exec(ctx, fmt.Sprintf("RENAME TABLE %s TO %s%s", l.cfg.in(lockTable), l.cfg.in(aside), l.cfg.onCluster()))
	_, held, readErr := l.read(ctx)
	if readErr != nil {
		return errors.Join(err, readErr)
	}
	if held == nil || held.holder != holder {
		return nil // gone, by us or by somebody else
	}
	return err
}

// release gives the lock back if it is still ours, also after the caller's
// context has ended. What was moved aside goes too.
func (l *lock) release(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseWithin)
	defer cancel()
	_, held, err := l.read(ctx)
	if err != nil || held == nil || held.holder != l.holder {
		return err
	}
	// Before our own: who comes next may be moving another aside.
	var aside []struct {
		Name string `ch:"name"`
	}
	err = l.conn.Select(ctx, &aside, "SELECT name FROM system.tables WHERE database = ? AND name LIKE ?",
		l.cfg.database(), lockTable+"\\_%")
	if err != nil {
		return err
	}
	for _, table := range aside {
		err = errors.Join(err, l.drop(ctx, table.Name))
	}
	return errors.Join(err, l.drop(ctx, lockTable))
}

func (l *lock) drop(ctx context.Context, table string) error {
	return l.exec(ctx, "DROP TABLE IF EXISTS "+l.cfg.in(table)+l.cfg.onCluster())
}

// read answers the server's time, and nil if nobody holds the lock.
func (l *lock) read(ctx context.Context) (now int64, held *holding, err error) {
	err = unlessDropped(func() error {
		now, held, err = l.readOnce(ctx)
		return err
	})
	return now, held, err
}

func (l *lock) readOnce(ctx context.Context) (now int64, held *holding, err error) {
	rows, err := l.conn.Query(ctx, "SELECT toInt64(toUnixTimestamp(now())) AS now, '' AS name UNION ALL "+
		"SELECT toInt64(0) AS now, name FROM system.columns WHERE database = ? AND table = ?", l.cfg.database(), lockTable)
	if err != nil {
		return 0, nil, err
	}
	defer rows.Close() //nolint:errcheck // only read from
	for rows.Next() {
		var (
			at   int64
			name string
		)
		if err := rows.Scan(&at, &name); err != nil {
			return 0, nil, err
		}
		if name == "" {
			now = at
			continue
		}
		if held == nil {
			held = &holding{} // and expired, should its columns not be ours
		}
		if holder, ok := strings.CutPrefix(name, "holder_"); ok {
			held.holder = holder
		}
		if until, ok := strings.CutPrefix(name, "expires_"); ok {
			held.expires, _ = strconv.ParseInt(until, 10, 64)
		}
	}
	return now, held, rows.Err()
}

func alreadyExists(err error) bool { return hasCode(err, codeTableExists) }
