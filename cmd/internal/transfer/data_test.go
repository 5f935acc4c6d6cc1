package transfer

import (
	"errors"
	"log/slog"
	"path/filepath"
	"testing"

	"barrage/configs"
	"barrage/persistence/datadir"
	"barrage/persistence/embedded"
	"barrage/persistence/records"
)

func openData(t *testing.T, dir string, create bool) (*Data, error) {
	t.Helper()
	cfg := configs.Default()
	cfg.Data = dir
	return OpenData(t.Context(), cfg, create, slog.New(slog.DiscardHandler))
}

func TestADataFolderIsASourceAndATarget(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if _, err := openData(t, dir, false); !errors.Is(err, ErrNoHistory) {
		t.Errorf("nothing: %v", err)
	}
	d, err := openData(t, dir, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openData(t, dir, false); !errors.Is(err, datadir.ErrInUse) {
		t.Errorf("in use: %v", err)
	}
	m := filled(5, 20)
	if err := d.Write(t.Context(), m.comments); err != nil {
		t.Fatal(err)
	}
	for _, e := range []struct {
		Videos []string
		After  Position
	}{
		{},
		{After: Position{"b", 0}},
		{After: Position{"bb", 5}},
		{After: Position{"c", m.comments[7].Id}},
		{Videos: []string{"d", "a", "d", "none"}},
		{Videos: []string{"a", "c", "e"}, After: Position{"c", m.comments[7].Id}},
	} {
		want := exported(t, &Export{Source: m, Videos: e.Videos, After: e.After})
		if got := exported(t, &Export{Source: d, Videos: e.Videos, After: e.After}); got != want {
			t.Errorf("%v after %v:\n%s\nwant\n%s", e.Videos, e.After, got, want)
		}
	}
	if n, err := d.Count(t.Context()); err != nil || n != 100 {
		t.Errorf("counts %d, %v", n, err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if d, err = openData(t, dir, false); err != nil { // let go of, and durable
		t.Fatal(err)
	}
	if got := exported(t, &Export{Source: d}); got != exported(t, &Export{Source: m}) {
		t.Error("another history after opening it again")
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAFolderBesideClickHouseIsKnown(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s, err := embedded.Open(embedded.Config{Dir: filepath.Join(dir, storeDir)})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Import(t.Context(), []*records.Comment{comment("a", 1)}), s.Join(5), s.Close()); err != nil {
		t.Fatal(err)
	}
	d, err := openData(t, dir, false)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if partial, err := d.Partial(); err != nil || !partial {
		t.Errorf("%v, %v", partial, err)
	}
}
