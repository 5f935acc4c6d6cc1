package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"barrage/test/harness"
)

// roomy lets a node live on a small file system.
var roomy = harness.Flags("--journal-free-reserve-bytes=1", "--journal-segment-bytes=256KiB", "--journal-max-bytes=32MiB", "--stream-heartbeat=200ms")

// mostStillTaken is more than fits into the rest of a journal's file.
const mostStillTaken = 5000

// With a reserve, posts are refused before the disk is full; without one, when
// a write fails.
func TestFullDiskRefusesPostsAndNothingElse(t *testing.T) {
	needsMount(t)
	for name, reserve := range map[string]string{"reserve": "4MiB", "no reserve": "1"} {
		t.Run(name, func(t *testing.T) {
			disk := t.TempDir()
			mount(t, disk, "size=64m")
			n := harness.Start(t, harness.DataFolder(filepath.Join(disk, "data")), roomy, harness.Flags("--journal-free-reserve-bytes="+reserve))
			ops := n.User("ops", "admin")
			want := postMany(t, ops, "room", 50)
			s := openedStream(t, n, n.Anyone(), "room", "", nil)

			filler := filepath.Join(disk, "filler")
			fill(t, filler)
			refusals := 0
			for i := 0; refusals < 20; i++ {
				answer := do(t, ops, http.MethodPost, "/comments/room", map[string]string{"message": fmt.Sprint("full", i)}, nil)
				switch answer.Status {
				case http.StatusCreated: // into what space the journal has left
					want = append(want, history(t, ops, "room")[len(want)])
					if i > mostStillTaken {
						t.Fatalf("%d posts were taken after the disk was filled", i)
					}
				case http.StatusServiceUnavailable:
					refusals++
					expectProblem(t, answer, http.StatusServiceUnavailable)
					if seconds, err := strconv.Atoi(answer.Header.Get("Retry-After")); err != nil || seconds < 1 {
						t.Fatalf("Retry-After is %q", answer.Header.Get("Retry-After"))
					}
				default:
					t.Fatalf("post %d: %v", i, answer)
				}
			}
			if got := history(t, n.Anyone(), "room"); messages(got) != messages(want) {
				t.Errorf("while full, history is %q", messages(got))
			}
			if _, err := s.Until(func(e harness.Event) bool { return e.Kind == harness.KindNote }); err != nil {
				t.Fatalf("while full, the open stream: %v", err)
			}
			late := openedStream(t, n, n.Anyone(), "room", "history=5", nil)
			full := len(want)
			if got, err := late.Comments(5); err != nil || messages(got) != messages(want[full-5:]) {
				t.Errorf("while full, a new stream got %q, %v", messages(got), err)
			}

			if err := os.Remove(filler); err != nil {
				t.Fatal(err)
			}
			eventually(t, func() error {
				c, err := ops.Post(t.Context(), "room", "room again", nil)
				if err == nil {
					want = append(want, c)
				}
				return err
			})
			want = append(want, postMany(t, ops, "room", 20)...)
			if got, err := s.Comments(len(want) - 50); err != nil || messages(got) != messages(want[50:]) {
				t.Errorf("the open stream got %q, %v", messages(got), err)
			}
			if got, err := late.Comments(21); err != nil || messages(got) != messages(want[full:]) {
				t.Errorf("the late stream got %q, %v", messages(got), err)
			}
			check := func(when string) {
				t.Helper()
				if got := history(t, n.Anyone(), "room"); messages(got) != messages(want) {
					t.Errorf("%s, history is %q, want %q", when, messages(got), messages(want))
				}
			}
			check("with space again")
			n.Kill()
			n.Start()
			check("after a crash")
		})
	}
}

// fill writes a file until no byte is free.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		_, err := f.Write(make([]byte, size))
		switch {
		case errors.Is(err, syscall.ENOSPC):
			size /= 2
		case err != nil:
			t.Fatal(err)
		}
	}
}
