//go:build soak

package soak

import (
	"context"
	"fmt"
	"testing"
	"time"

	"barrage/persistence"
	"barrage/test/servers"
)

// The long history: one live video of five million comments, written in five
// sessions of four hours, one a day; as many in a thousand rooms beside it.
const (
	bigRoom       = "big"
	smallRooms    = 999
	sessions      = 5
	sessionLength = 4 * time.Hour
	bigComments   = 5_000_000
	chunk         = 250_000
)

func smallRoom(i int) string { return fmt.Sprintf("small-%03d", i%smallRooms) }

// fillHistory inserts the long history at the server. A room's comments come
// nine times as fast at the end of a session as at its beginning.
func fillHistory(t *testing.T, ch *servers.ClickHouse) {
	t.Helper()
	prepared(t, ch)
	each := scaled(t, bigComments) / sessions
	for day := range sessions {
		begin := time.Now().Add(-time.Duration(sessions-day) * 24 * time.Hour)
		for from := 0; from < each; from += chunk {
			n := min(chunk, each-from)
			insertChunk(t, ch, fmt.Sprintf("'%s'", bigRoom), 1, begin, from, n, each)
			insertChunk(t, ch, fmt.Sprintf("concat('small-', substring(toString(1000 + number %% %d), 2))", smallRooms), 2, begin, from, n, each)
		}
	}
}

// insertChunk inserts comments number from to from+n of a session that has so
// many in all. The ids are those of a node.
func insertChunk(t *testing.T, ch *servers.ClickHouse, room string, node int, begin time.Time, from, n, all int) {
	t.Helper()
	const texts = "['hello everyone', 'what a goal', 'lol', 'here we go again', 'which song is this', '前方高能', '哈哈哈哈', " +
		"'晚上好', '太好听了', '主播好厉害', '这是什么歌', '笑死我了', 'love from Berlin', 'the sound is gone']"
	text := func(divisor int) string { return fmt.Sprintf("%s[1 + intDiv(number, %d) %% 14]", texts, divisor) }
	x := fmt.Sprintf("((number + %d) / %d)", from, all)
	ms := fmt.Sprintf("toUInt64(%d + %d * %s * (1.8 - 0.8 * %s))", begin.UnixMilli(), sessionLength.Milliseconds(), x, x)
	sql := fmt.Sprintf(`INSERT INTO barrage.comments (live_video_id, comment_id, user_id, user_name, message, parent_id, created_at_ms, deleted)
		SELECT %s, (ms - %d) * %d + (number %% 4096) * 1024 + %d, concat('user-', toString(cityHash64(number) %% 200000)),
		concat('Viewer ', toString(cityHash64(number) %% 200000)), concat(%s, ' ', %s, ' ', %s, ' ', toString(number)),
		toUInt64(0), toInt64(ms), toUInt8(0)
		FROM (SELECT number, %s AS ms FROM numbers(%d))`,
		room, persistence.IDEpoch.UnixMilli(), 1<<(persistence.IDSequenceBits+persistence.IDNodeBits), node,
		text(1), text(14), text(196), ms, n)
	ctx, cancel := context.WithTimeout(t.Context(), queryPatience)
	defer cancel()
	if err := ch.Conn().Exec(ctx, sql); err != nil {
		t.Fatal(err)
	}
}
