//go:build soak

package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"barrage/actors"
	"barrage/persistence"
	"barrage/persistence/journal"
	"barrage/persistence/records"
)

var phrases = []string{
	"hello everyone", "what a goal", "lol", "here we go again", "which song is this", "love from Berlin",
	"that was close", "haha", "the sound is gone", "again please", "前方高能", "哈哈哈哈", "233333", "晚上好",
	"太好听了", "加油", "主播好厉害", "这是什么歌", "泪目", "名场面", "来了来了", "笑死我了", "GG", "just arrived",
}

// corpus makes comments like those of a busy evening: a few rooms have most of
// them, many users have a few.
type corpus struct {
	random *rand.Rand
	rooms  *rand.Zipf
	ids    *actors.IDs
	now    time.Time
	bytes  int // of all records made
}

const (
	corpusRooms = 1000
	corpusUsers = 200_000
)

// newCorpus begins at a time, with the ids of a node.
func newCorpus(t testing.TB, node int, begin time.Time) *corpus {
	t.Helper()
	c := &corpus{random: rand.New(rand.NewPCG(7, 7)), now: begin}
	c.rooms = rand.NewZipf(c.random, 1.2, 4, corpusRooms-1)
	var err error
	if c.ids, err = actors.NewIDs(node, 0, func() time.Time { return c.now }); err != nil {
		t.Fatal(err)
	}
	return c
}

// next makes a comment; their records have 156 bytes on the average.
func (c *corpus) next() *records.Comment {
	var text strings.Builder
	for size := 20 + c.random.IntN(134); text.Len() < size; {
		text.WriteString(phrases[c.random.IntN(len(phrases))])
		text.WriteByte(' ')
	}
	user := c.random.IntN(corpusUsers)
	return &records.Comment{
		Id: c.ids.Next(0), LiveVideoId: fmt.Sprintf("room-%04d", c.rooms.Uint64()),
		UserId: fmt.Sprintf("user-%06d", user), UserName: fmt.Sprintf("Viewer %d", user),
		Message: strings.TrimSpace(text.String()), CreatedAtMs: c.now.UnixMilli(),
	}
}

// waits lets a filler wait for what it appended.
type waits struct {
	sync.WaitGroup
	mu  sync.Mutex
	err error
}

func (w *waits) Durable(n int, _ persistence.LSN, err error) {
	if err != nil {
		w.mu.Lock()
		w.err = err
		w.mu.Unlock()
	}
	w.Add(-n)
}

// fill appends comments to a journal, so many for each second of the corpus,
// and answers what each room has then.
func (c *corpus) fill(t testing.TB, j *journal.Journal, n, perSecond int) map[string]content {
	t.Helper()
	const together = 20_000
	contents := map[string]content{}
	w := new(waits)
	for i := range n {
		c.now = c.now.Add(time.Second / time.Duration(perSecond))
		comment := c.next()
		r := &records.Record{Kind: &records.Record_CommentPosted{CommentPosted: &records.CommentPosted{Comment: comment}}}
		c.bytes += proto.Size(r)
		w.Add(1)
		if err := j.Append(r, w); err != nil {
			t.Fatal(err)
		}
		room := contents[comment.LiveVideoId]
		contents[comment.LiveVideoId] = content{room.comments + 1, room.sum + comment.Id}
		if i%together == together-1 {
			w.Wait()
		}
	}
	w.Wait()
	if w.err != nil {
		t.Fatal(w.err)
	}
	return contents
}

// timedReader measures how long an inner reader reads, where it has something
// to read.
type timedReader struct {
	persistence.EntryReader
	took *time.Duration // of the one goroutine that reads
}

// Next implements persistence.EntryReader.
func (r timedReader) Next(ctx context.Context, maxEntries, maxBytes int) ([]persistence.Entry, error) {
	began := time.Now()
	entries, err := r.EntryReader.Next(ctx, maxEntries, maxBytes)
	if err == nil {
		*r.took += time.Since(began)
	}
	return entries, err
}
