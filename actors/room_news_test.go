package actors

import (
	"strings"
	"testing"

	"barrage/actors/wire"
)

// A comment that was pinned and is deleted before the next frame is shown to
// nobody who comes after its deletion.
func TestAPinThatIsGoneIsInNoFrame(t *testing.T) {
	pinned := &wire.RoomState{PinnedCommentId: 7, Pinned: []byte(`{"id":"7","message":"regretted"}`)}
	view, other := newRoomView("v"), newRoomView("other")
	var news [][]byte
	add := func(view *roomView, room *wire.RoomState) { news = withNews(news, view.video, view.takeState(room)) }
	add(&other, pinned)
	add(&view, pinned)
	add(&view, &wire.RoomState{SlowModeSeconds: 5})
	text := make([]string, len(news))
	for i := range news {
		text[i] = string(news[i])
	}
	all := strings.Join(text, "")
	if strings.Count(all, "regretted") != 1 || !strings.Contains(all, `"liveVideoId":"v","commentId":null`) || !strings.Contains(all, `"slowModeSeconds":5`) {
		t.Errorf("%s", all)
	}
}
