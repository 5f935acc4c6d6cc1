package embedded

import (
	"errors"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"barrage/persistence"
)

// faulty is a file system whose writes fail while broken answers an error.
func faulty(inner vfs.FS, broken func(op errorfs.Op) error) vfs.FS {
	return errorfs.Wrap(inner, errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch op.Kind {
		case errorfs.OpRemove, errorfs.OpRemoveAll, errorfs.OpFileClose, errorfs.OpLock:
			return nil
		}
		if op.Kind.ReadOrWrite() == errorfs.OpIsRead {
			return nil
		}
		return broken(op)
	}))
}

// filled answers a file system and a switch that fills its disk.
func filled(mem *vfs.MemFS) (vfs.FS, *atomic.Bool) {
	full := new(atomic.Bool)
	return faulty(mem, func(errorfs.Op) error {
		if full.Load() {
			return syscall.ENOSPC
		}
		return nil
	}), full
}

func TestAFullDiskFailsApplyAndSyncAndPassesByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewCrashableMem()
		fs, full := filled(mem)
		s := open(t, Config{FS: fs, Fatal: func(err error) { t.Errorf("fatal: %v", err) }})
		all := entries(1, posted("v", 1, 0), posted("v", 2, 1), deleted("v", 1), posted("v", 3, 0))
		apply(t, s, all[:2])
		full.Store(true)
		if _, err := s.Sync(ctx); !errors.Is(err, ErrTrouble) || !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("sync: %v", err)
		}
		flushes := s.Stats().Flushes
		for range 3 {
			time.Sleep(time.Hour) // the bubble's
			if err := s.Apply(ctx, all[2:]); !errors.Is(err, ErrTrouble) {
				t.Fatalf("apply: %v", err)
			}
			if _, err := s.Sync(ctx); !errors.Is(err, ErrTrouble) {
				t.Fatalf("sync: %v", err)
			}
			newModel(all[:2]).check(t, s) // readers don't notice
		}
		if s.Stats().Err == nil {
			t.Error("the stats don't tell")
		}
		if n := s.Stats().Flushes; n != flushes {
			t.Errorf("%d flushes failed instead of waiting", n-flushes)
		}
		full.Store(false)
		time.Sleep(2 * maxRetryDelay)
		synctest.Wait()
		apply(t, s, all)
		if upTo, err := s.Sync(ctx); err != nil || upTo != 4 {
			t.Fatalf("sync: %d, %v", upTo, err)
		}
		after := open(t, Config{FS: mem.CrashClone(vfs.CrashCloneCfg{})})
		newModel(all).check(t, after)
		_ = after.Close()
		_ = s.Close()
	})
}

func TestTheBallastLetsWhatIsInMemoryBeSynced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		mem.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1 << 40})
		full := new(atomic.Bool)
		path := mem.PathJoin("history", ballastName)
		exists := func() bool { _, err := mem.Stat(path); return err == nil }
		fs := faulty(mem, func(errorfs.Op) error {
			if full.Load() && exists() { // the ballast is what is missing
				return syscall.ENOSPC
			}
			return nil
		})
		s := open(t, Config{FS: fs, Fatal: func(err error) { t.Errorf("fatal: %v", err) }})
		if !exists() {
			t.Fatal("no ballast")
		}
		apply(t, s, entries(1, posted("v", 1, 0)))
		full.Store(true)
		mem.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1})
		if _, err := s.Sync(ctx); err != nil {
			t.Fatalf("sync: %v", err)
		}
		if exists() {
			t.Fatal("the ballast is still there")
		}
		full.Store(false)
		mem.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1 << 40})
		apply(t, s, entries(2, posted("v", 2, 0)))
		if _, err := s.Sync(ctx); err != nil {
			t.Fatal(err)
		}
		if !exists() {
			t.Error("the ballast is not back")
		}
		_ = s.Close()
	})
}

func TestAFlushThatFailsIsTriedAgainWithoutBurningACore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken, attempts := new(atomic.Bool), new(atomic.Int64)
		fs := faulty(vfs.NewMem(), func(op errorfs.Op) error {
			if broken.Load() && strings.HasSuffix(op.Path, ".sst") {
				if op.Kind == errorfs.OpCreate {
					attempts.Add(1)
				}
				return syscall.EIO
			}
			return nil
		})
		s := open(t, Config{FS: fs, Fatal: func(err error) { t.Errorf("fatal: %v", err) }})
		all := entries(1, posted("v", 1, 0), posted("v", 2, 0))
		apply(t, s, all[:1])
		broken.Store(true)
		if _, err := s.Sync(ctx); !errors.Is(err, ErrTrouble) || !errors.Is(err, syscall.EIO) {
			t.Fatalf("sync: %v", err)
		}
		time.Sleep(time.Minute)
		if n := attempts.Load(); n < 5 || n > 40 {
			t.Errorf("%d attempts in a minute", n)
		}
		broken.Store(false)
		time.Sleep(2 * maxRetryDelay)
		synctest.Wait()
		apply(t, s, all)
		if upTo, err := s.Sync(ctx); err != nil || upTo != 2 {
			t.Fatalf("sync: %d, %v", upTo, err)
		}
		newModel(all).check(t, s)
		_ = s.Close()
	})
}

func TestAFatalErrorOfPebbleEndsTheStoreAndNotTheProcess(t *testing.T) {
	broken := new(atomic.Bool)
	mem := vfs.NewCrashableMem()
	fs := faulty(mem, func(op errorfs.Op) error {
		if broken.Load() && strings.Contains(op.Path, "MANIFEST") {
			return syscall.EIO
		}
		return nil
	})
	fatal := make(chan error, 1)
	s := open(t, Config{FS: fs, Fatal: func(err error) { fatal <- err }})
	all := entries(1, posted("v", 1, 0), posted("v", 2, 0))
	apply(t, s, all)
	broken.Store(true)
	if _, err := s.Sync(ctx); !errors.Is(err, ErrFailed) {
		t.Fatalf("sync: %v", err)
	}
	if err := <-fatal; !strings.Contains(err.Error(), "MANIFEST") {
		t.Errorf("fatal: %v", err)
	}
	if err := s.Apply(ctx, entries(3, posted("v", 3, 0))); !errors.Is(err, ErrFailed) {
		t.Errorf("apply: %v", err)
	}
	newModel(all).check(t, s)
	if err := s.Close(); !errors.Is(err, ErrFailed) {
		t.Errorf("close: %v", err)
	}
	after := open(t, Config{FS: mem.CrashClone(vfs.CrashCloneCfg{})})
	apply(t, after, all) // the journal has them
	newModel(all).check(t, after)
}

func TestOpeningOnAFullDiskIsAnErrorAndDoesNotHang(t *testing.T) {
	for _, file := range []string{"history", "MANIFEST", "marker"} { // what meets it first
		synctest.Test(t, func(t *testing.T) {
			fs := faulty(vfs.NewMem(), func(op errorfs.Op) error {
				if op.Kind == errorfs.OpMkdirAll && file != "history" || !strings.Contains(op.Path, file) {
					return nil
				}
				return syscall.ENOSPC
			})
			before := time.Now()
			if _, err := Open(Config{Dir: "history", FS: fs}); !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("%s: %v", file, err)
			}
			if took := time.Since(before); took > time.Second {
				t.Errorf("%s: it took %v", file, took)
			}
		})
	}
}

func TestFilesCanBeRemovedWhileWritesWaitForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs, full := filled(vfs.NewMem())
		cfg := Config{Dir: "history", FS: fs}.withDefaults()
		h := newHealth(cfg, newBallast(cfg))
		h.opened()
		guarded := guard(cfg, h)
		if err := guarded.MkdirAll("history", 0o700); err != nil {
			t.Fatal(err)
		}
		f, err := guarded.Create("history/old", vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
		full.Store(true)
		made := make(chan error, 1)
		go func() {
			_, err := guarded.Create("history/new", vfs.WriteCategoryUnspecified)
			made <- err
		}()
		time.Sleep(time.Minute)
		if err := guarded.Remove("history/old"); err != nil {
			t.Error(err)
		}
		if len(made) > 0 {
			t.Error("the write did not wait")
		}
		full.Store(false)
		if err := <-made; err != nil {
			t.Error(err)
		}
	})
}

func TestCloseDoesNotWaitForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs, full := filled(vfs.NewMem())
		s := open(t, Config{FS: fs})
		apply(t, s, entries(1, posted("v", 1, 0)))
		full.Store(true)
		if _, err := s.Sync(ctx); !errors.Is(err, ErrTrouble) {
			t.Fatalf("sync: %v", err)
		}
		before := time.Now()
		_ = s.Close()
		if time.Since(before) > 2*maxRetryDelay {
			t.Errorf("it took %v", time.Since(before))
		}
		full.Store(false)
		time.Sleep(time.Minute)
	})
}

var _ persistence.Store = (*Store)(nil)
