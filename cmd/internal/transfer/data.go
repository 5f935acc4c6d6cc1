package transfer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"barrage/configs"
	"barrage/persistence"
	"barrage/persistence/datadir"
	"barrage/persistence/embedded"
	"barrage/persistence/journal"
	"barrage/persistence/records"
)

// Names in a data folder, as the node gives them.
const (
	storeDir   = "store"
	journalDir = "journal"
)

// Data is the history in the data folder of a node that doesn't run.
type Data struct {
	dir   string
	lock  *datadir.Lock
	store *embedded.Store
}

// ErrNoHistory says that a folder is not the data folder of a node.
var ErrNoHistory = errors.New("there is no history")

// OpenData takes a data folder for this process and brings its store up to
// date with its journal. With create a new folder is made where there is none.
func OpenData(ctx context.Context, cfg *configs.Config, create bool, log *slog.Logger) (*Data, error) {
	if _, err := os.Stat(filepath.Join(cfg.Data, storeDir)); errors.Is(err, fs.ErrNotExist) && !create {
		return nil, fmt.Errorf("%w in %s: name a node's data folder with --data", ErrNoHistory, cfg.Data)
	}
	lock, err := datadir.Acquire(cfg.Data)
	if errors.Is(err, datadir.ErrInUse) {
		return nil, fmt.Errorf("%w: stop the node first", err)
	}
	if err != nil {
		return nil, err
	}
	d := &Data{dir: cfg.Data, lock: lock}
	d.store, err = embedded.Open(embedded.Config{
		Dir: filepath.Join(cfg.Data, storeDir), CacheBytes: cfg.Store.CacheBytes, Logger: log,
	})
	if err == nil {
		err = d.catchUp(ctx, cfg, log)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the history in %s: %w", cfg.Data, err), d.Close())
	}
	return d, nil
}

// kept is a journal that lets go of nothing: the node's next start decides what
// of it nobody needs any more. Another store may be behind this one.
type kept struct{ *journal.Journal }

func (kept) Trim(persistence.LSN) error { return nil }

// catchUp applies what a crash left in the journal alone.
func (d *Data) catchUp(ctx context.Context, cfg *configs.Config, log *slog.Logger) (err error) {
	dir := filepath.Join(cfg.Data, journalDir)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	j, err := journal.Open(journal.Config{
		Dir: dir, After: d.store.AppliedLSN(),
		SegmentBytes: cfg.Journal.SegmentBytes, MaxBytes: cfg.Journal.MaxBytes,
		FreeReserveBytes: cfg.Journal.FreeReserveBytes, Logger: log,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	pump, err := persistence.NewPump(persistence.PumpConfig{
		Log: kept{j}, Store: d.store, Logger: log,
		Read: func(after persistence.LSN) persistence.EntryReader { return j.Reader(after) },
	})
	if err != nil {
		return err
	}
	pump.Start()
	err = pump.WaitApplied(ctx, j.LastLSN())
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	return errors.Join(err, pump.Stop(stopping))
}

// stopTime is how long a last sync may take.
const stopTime = 10 * time.Second

// Partial answers whether the folder's node has its history in ClickHouse: then
// the folder has a part of it only.
func (d *Data) Partial() (bool, error) { return d.store.Joined() }

// Name implements Target.
func (d *Data) Name() string {
	dir, err := filepath.Abs(d.dir)
	if err != nil {
		dir = d.dir
	}
	return "data folder " + dir
}

// errNextVideo ends a scan behind a live video.
var errNextVideo = errors.New("behind the live video")

// Scan implements Source.
func (d *Data) Scan(ctx context.Context, after Position, videos []string, fn func(*records.Comment) error) error {
	if len(videos) == 0 {
		return d.store.Scan(ctx, embedded.Position(after), fn)
	}
	for _, video := range slices.Compact(slices.Sorted(slices.Values(videos))) {
		from := Position{LiveVideoID: video}
		switch {
		case video < after.LiveVideoID:
			continue
		case video == after.LiveVideoID:
			from = after
		}
		err := d.store.Scan(ctx, embedded.Position(from), func(c *records.Comment) error {
			if c.GetLiveVideoId() != video {
				return errNextVideo
			}
			return fn(c)
		})
		if err != nil && !errors.Is(err, errNextVideo) {
			return err
		}
	}
	return nil
}

// Count implements Source.
func (d *Data) Count(ctx context.Context) (int64, error) {
	n, err := d.store.CommentCount(ctx)
	return int64(n), err
}

// Write implements Target.
func (d *Data) Write(ctx context.Context, comments []*records.Comment) error {
	if err := d.store.Import(ctx, comments); err != nil {
		return err
	}
	_, err := d.store.Sync(ctx)
	return err
}

// Close lets another process have the folder.
func (d *Data) Close() error {
	var err error
	if d.store != nil {
		err = d.store.Close()
	}
	return errors.Join(err, d.lock.Release())
}
