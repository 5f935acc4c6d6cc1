package e2e

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"barrage/test/harness"
)

// What may not be seen is seen on no path by nobody. Every text has a word of
// its own, by which it is found in whatever is answered, in whatever form.
var secretWord = regexp.MustCompile(`w[0-9]+w`)

// fate is what has become of a text.
type fate struct {
	word, author string
	posted       string          // its comment, "" if it never was one
	held         string          // its held id, "" if it never waited
	waits, shown bool            // it waits; it is a comment now
	root         bool            // it answers no other
	ever         map[string]bool // who was allowed to see it at any time: roles, and users
}

// readers are who looks, in what role.
var readers = []string{"anyone", "bob", "ann", "cy", "mo"}

// mayNow says whether a reader may see a text now.
func (f *fate) mayNow(reader string) bool {
	return f.shown || f.waits && (reader == "mo" || reader == f.author)
}

func (f *fate) mayEver(reader string) bool { return f.ever["all"] || f.ever[reader] }

func (f *fate) note() {
	switch {
	case f.shown:
		f.ever["all"] = true
	case f.waits:
		f.ever["mo"], f.ever[f.author] = true, true
	}
}

// visibility is a room and what is to be seen there.
type visibility struct {
	t     *testing.T
	rng   *rand.Rand
	room  string
	users map[string]*somebody
	all   []*fate
	by    map[string]*fate
}

func TestNobodySeesWhatIsNotForThem(t *testing.T) {
	t.Parallel()
	inArenas(t, []string{"--moderation-words-file=" + wordList(t), "--videos-recent-comments=200"}, func(t *testing.T, a *arena) {
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		v := &visibility{
			t: t, rng: rand.New(rand.NewPCG(seed, 1)), room: a.room(t, "visible"), by: map[string]*fate{},
			users: map[string]*somebody{
				"anyone": a.anyone(), "ann": a.user("ann", "viewer"), "bob": a.user("bob", "viewer"), "cy": a.user("cy", "viewer"),
				"mo": a.user("mo", "moderator"), "ad": a.user("ad", "admin"),
			},
		}
		live := v.open("", "history=10")
		for range 4 {
			for range 60 {
				v.step()
			}
			v.look()
		}
		v.read(live, func(f *fate, reader string) bool { return f.mayEver(reader) })
		if len(a.nodes) == 1 {
			v.export(a.nodes[0])
		}
	})
}

// pick gives one of the texts for which want holds, or nil.
func (v *visibility) pick(want func(f *fate) bool) *fate {
	for range 30 {
		if len(v.all) == 0 {
			return nil
		}
		if f := v.all[v.rng.IntN(len(v.all))]; want(f) {
			return f
		}
	}
	return nil
}

// step does something at random.
func (v *visibility) step() {
	v.t.Helper()
	switch n := v.rng.IntN(20); {
	case n < 10:
		v.post()
	case n < 13:
		if f := v.pick(func(f *fate) bool { return f.waits }); f != nil {
			posted, err := v.users["mo"].next().Approve(v.t.Context(), v.room, f.held)
			switch {
			case err == nil:
				f.posted, f.shown, f.waits = posted.ID, true, false
			case harness.StatusOf(err) != http.StatusBadRequest: // what it answers may be gone
				v.t.Errorf("approving %s: %v", f.word, err)
			}
		}
	case n < 15:
		if f := v.pick(func(f *fate) bool { return f.waits }); f != nil {
			if err := v.users["mo"].next().Reject(v.t.Context(), v.room, f.held); err != nil {
				v.t.Errorf("rejecting %s: %v", f.word, err)
			}
			f.waits = false
		}
	case n < 18:
		if f := v.pick(func(f *fate) bool { return f.shown }); f != nil {
			by := []string{f.author, "mo", "ad"}[v.rng.IntN(3)]
			if err := v.users[by].next().Delete(v.t.Context(), v.room, f.posted); err != nil {
				v.t.Errorf("deleting %s: %v", f.word, err)
			}
			f.shown = false
		}
	case n < 19:
		if f := v.pick(func(f *fate) bool { return f.shown }); f != nil {
			if _, err := v.users["ad"].next().SetRoom(v.t.Context(), v.room, map[string]any{"pinnedCommentId": f.posted}); err != nil {
				v.t.Errorf("pinning %s: %v", f.word, err)
			}
		}
	default:
		if f := v.pick(func(f *fate) bool { return f.shown }); f != nil {
			if err := v.users["mo"].next().React(v.t.Context(), v.room, "like", 1, f.posted); err != nil {
				v.t.Errorf("reacting to %s: %v", f.word, err)
			}
		}
	}
	for _, f := range v.all {
		f.note()
	}
}

// post posts a text that is fine, masked, held or blocked, perhaps as an answer,
// perhaps with a key and twice.
func (v *visibility) post() {
	v.t.Helper()
	f := &fate{word: fmt.Sprintf("w%dw", len(v.all)), author: []string{"ann", "bob", "cy"}[v.rng.IntN(3)], ever: map[string]bool{}, root: true}
	kind := []string{"", "", "rude ", "dubious ", "dubious ", "foul "}[v.rng.IntN(6)]
	body := map[string]string{"message": kind + f.word}
	if parent := v.pick(func(f *fate) bool { return f.shown }); parent != nil && v.rng.IntN(3) == 0 {
		body["parentId"], f.root = parent.posted, false
	}
	var header http.Header
	tries := 1
	if v.rng.IntN(3) == 0 {
		header, tries = harness.Header("Idempotency-Key", f.word), 2
	}
	v.all, v.by[f.word] = append(v.all, f), f
	var id string
	for range tries {
		answer := do(v.t, v.users[f.author].next(), http.MethodPost, "/comments/"+v.room, body, header)
		want := http.StatusCreated
		switch kind {
		case "dubious ":
			want = http.StatusAccepted
		case "foul ":
			want = http.StatusForbidden
		}
		var c harness.Comment
		if answer.Status == http.StatusBadRequest && !f.root { // its thread's first comment may be gone
			return
		}
		if answer.Status != want {
			v.t.Errorf("posting %q: %v", body, answer)
			return
		}
		if want == http.StatusForbidden {
			return
		}
		if expectStatus(v.t, answer, want, &c); id != "" && c.ID != id {
			v.t.Errorf("%q was posted twice", body)
		}
		id = c.ID
	}
	if kind == "dubious " {
		f.held, f.waits = id, true
	} else {
		f.posted, f.shown = id, true
	}
}

// check looks for texts in what a reader got.
func (v *visibility) check(reader, where string, body []byte, may func(f *fate, reader string) bool) (seen map[string]bool) {
	v.t.Helper()
	seen = map[string]bool{}
	for _, word := range secretWord.FindAll(body, -1) {
		f := v.by[string(word)]
		if seen[f.word] = true; !may(f, reader) {
			v.t.Errorf("%s sees %s on %s: %+v", reader, f.word, where, f)
		}
	}
	return seen
}

// look reads everything there is, as everybody.
func (v *visibility) look() {
	v.t.Helper()
	now := func(f *fate, reader string) bool { return f.mayNow(reader) }
	streams := map[string]map[string]*harness.Stream{}
	for _, query := range []string{"", "history=200", "lastEventId=1", "history=50&rate=1000"} {
		streams[query] = v.open("", query)
	}
	if middle := v.pick(func(f *fate) bool { return f.posted != "" }); middle != nil {
		streams["resumed"] = v.open("", "lastEventId="+middle.posted)
	}
	streams["bundle"] = v.open("/stream?videos=another,"+v.room, "")
	sockets := map[string]*harness.Socket{}
	for i, reader := range readers {
		sockets[reader] = v.users[reader].socket(v.t, v.room, []string{"lastEventId=1", "history=200"}[i%2])
	}
	for _, reader := range readers {
		who := v.users[reader]
		get := func(path string) *harness.Answer {
			v.t.Helper()
			answer := who.do(v.t, http.MethodGet, path, nil)
			v.check(reader, path, answer.Body, now)
			return answer
		}
		for _, query := range []string{"sort=asc", "sort=desc", "since=1"} {
			v.walk(reader, query)
		}
		for _, path := range []string{"/videos", "/videos/" + v.room, "/videos/" + v.room + "/held", "/videos/" + v.room + "/mutes", "/comments/" + v.room, "/comments/" + v.room + "?since=1&wait=1&pageSize=100"} {
			_ = get(path)
		}
		for _, f := range v.all {
			for _, id := range []string{f.posted, f.held} {
				if id == "" {
					continue
				}
				may := f.shown && id == f.posted || f.waits && id == f.held && f.mayNow(reader)
				if answer := get("/comments/" + v.room + "/" + id); (answer.Status == http.StatusOK) != may || !may && answer.Status != http.StatusNotFound {
					v.t.Errorf("%s gets %s: %v, %+v", reader, id, answer, f)
				}
			}
			if f.posted != "" && f.root {
				_ = get("/comments/" + v.room + "/" + f.posted + "/replies?pageSize=100")
			}
		}
	}
	for _, open := range streams {
		v.read(open, now)
	}
	v.readSockets(sockets, now)
}

// readSockets is read for WebSockets.
func (v *visibility) readSockets(sockets map[string]*harness.Socket, may func(f *fate, reader string) bool) {
	v.t.Helper()
	end := v.users["ad"].post(v.t, v.room, "the end of sockets")
	for reader, s := range sockets {
		for {
			e, err := s.Next()
			if err != nil {
				v.t.Fatalf("%s: %v", reader, err)
			}
			v.check(reader, fmt.Sprintf("a WebSocket (event %q)", e.Event), e.Data, may)
			if e.Event == "comment" && e.ID == end.ID {
				break
			}
		}
		s.Close()
	}
}

// walk goes through all pages, which together have all that a reader may see.
func (v *visibility) walk(reader, query string) {
	v.t.Helper()
	seen := map[string]bool{}
	size := 1 + v.rng.IntN(30)
	for cursor := ""; ; {
		path := fmt.Sprintf("/comments/%s?%s&pageSize=%d%s", v.room, query, size, cursor)
		answer := v.users[reader].do(v.t, http.MethodGet, path, nil)
		for word := range v.check(reader, path, answer.Body, func(f *fate, reader string) bool { return f.mayNow(reader) }) {
			seen[word] = true
		}
		var page harness.ShownPage
		if expectStatus(v.t, answer, http.StatusOK, &page); page.NextCursor == nil {
			break
		}
		cursor = "&cursor=" + *page.NextCursor
	}
	for _, f := range v.all {
		if f.mayNow(reader) && !seen[f.word] {
			v.t.Errorf("%s does not see %s with %s: %+v", reader, f.word, query, f)
		}
	}
}

// open opens a stream for each reader.
func (v *visibility) open(path, query string) map[string]*harness.Stream {
	v.t.Helper()
	streams := map[string]*harness.Stream{}
	for _, reader := range readers {
		if path == "" {
			streams[reader] = v.users[reader].stream(v.t, v.room, query)
			continue
		}
		s, err := v.users[reader].next().Open(context.Background(), path, nil)
		if err != nil {
			v.t.Fatal(err)
		}
		v.t.Cleanup(s.Close)
		streams[reader] = s
	}
	return streams
}

// read reads streams up to a comment that is posted now, and closes them.
func (v *visibility) read(streams map[string]*harness.Stream, may func(f *fate, reader string) bool) {
	v.t.Helper()
	end := v.users["ad"].post(v.t, v.room, "the end for now")
	for reader, s := range streams {
		for {
			e, err := s.Next()
			if err != nil {
				v.t.Fatalf("%s: %v", reader, err)
			}
			v.check(reader, fmt.Sprintf("a stream (event %q)", e.Name), []byte(e.Data), may)
			if strings.Contains(e.Data, end.ID) && harness.IsComment(e) {
				break
			}
		}
		s.Close()
	}
}

// export reads what barrage export writes of the node's data.
func (v *visibility) export(n *harness.Node) {
	v.t.Helper()
	if status := n.Terminate(); status != 0 {
		v.t.Errorf("the node ended with %d", status)
	}
	path := filepath.Join(v.t.TempDir(), "export.jsonl")
	out, err := harness.Command(v.t, "export", "--data", n.Data, "--out", path).CombinedOutput()
	if err != nil {
		v.t.Fatalf("%v: %s", err, out)
	}
	body, err := os.ReadFile(path)
	if err != nil {
		v.t.Fatal(err)
	}
	seen := v.check("anyone", "an export", bytes.TrimSpace(body), func(f *fate, _ string) bool { return f.shown })
	for _, f := range v.all {
		if f.shown && !seen[f.word] {
			v.t.Errorf("the export lacks %s", f.word)
		}
	}
}
