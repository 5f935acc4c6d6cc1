package actors

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"barrage/actors/wire"
)

// rights is who a viewer is, where that matters for what is shown; nil:
// nobody.
type rights struct {
	userID    string
	moderator bool
}

func (r *rights) moderates() bool { return r != nil && r.moderator }

// roomParts is what a relay is told of a room. Absent parts are as they were.
type roomParts struct {
	room      *wire.RoomState
	reactions []*wire.ReactionTotals
	held      []*wire.HeldRow
	muted     []*wire.MuteUser
	// whole: an owner answers a subscription. held has all that waits.
	whole bool
}

// roomEvents are the events of changes, by who may see them.
type roomEvents struct {
	all        [][]byte
	moderators [][]byte
	users      []userEvent // for their own streams alone
}

type userEvent struct {
	userID string
	event  []byte
	// held: a moderator's stream has it already.
	held bool
}

// roomView is what a relay or a bundle knows of a room, for viewers who join or
// were behind. It makes each event once for all viewers.
type roomView struct {
	video  string
	room   *wire.RoomState
	totals map[string]uint64
	// comments are the totals that were told lately, in that order.
	comments []toldReactions
	held     []heldView // by id
	muted    []toldMute // in the order of time

	// Made for viewers who join, until something changes.
	joining, waiting *Frame
	madeJoining      bool
	madeWaiting      bool
}

type toldReactions struct {
	*wire.ReactionTotals
	at time.Time
}

type heldView struct {
	*wire.HeldRow
	at time.Time // when it was resolved
}

type toldMute struct {
	*wire.MuteUser
	at time.Time
}

// maxToldReactions bounds the comments whose totals a viewer is told again that
// was behind: those told in the longest time that one may be behind, at most.
const maxToldReactions = 10 * maxReactionsTold

func newRoomView(video string) roomView { return roomView{video: video, room: &wire.RoomState{}} }

// take brings the view up to date, and gives the events for viewers.
func (v *roomView) take(p roomParts, now time.Time) (e roomEvents) {
	if p.room != nil {
		e.all = v.takeState(p.room)
	}
	if reactions := v.takeReactions(p.reactions, now); reactions != nil {
		e.all = append(e.all, reactions)
	}
	v.takeHeld(p, now, &e)
	for _, m := range p.muted {
		v.takeMute(m, now, &e)
	}
	return e
}

func (v *roomView) takeState(room *wire.RoomState) (events [][]byte) {
	old := v.room
	if room.PinnedCommentId != 0 && room.PinnedCommentId == old.PinnedCommentId && len(room.Pinned) == 0 {
		room = &wire.RoomState{
			Ended: room.Ended, SlowModeSeconds: room.SlowModeSeconds, PinnedCommentId: room.PinnedCommentId, Pinned: old.Pinned,
		}
	}
	v.room, v.madeJoining = room, false
	if room.Ended && !old.Ended {
		events = append(events, endEvent(v.video))
	}
	if room.Ended != old.Ended || room.SlowModeSeconds != old.SlowModeSeconds {
		events = append(events, roomEvent(v.video, room))
	}
	if room.PinnedCommentId != old.PinnedCommentId || string(room.Pinned) != string(old.Pinned) {
		events = append(events, pinEvent(v.video, room))
	}
	return events
}

func (v *roomView) takeReactions(told []*wire.ReactionTotals, now time.Time) []byte {
	var comments []*wire.ReactionTotals
	changed := false
	for _, t := range told {
		if t.CommentId != 0 {
			comments = append(comments, t)
		} else if !maps.Equal(v.totals, t.Totals) {
			v.totals, v.madeJoining, changed = t.Totals, false, true
		}
	}
	if !changed && len(comments) == 0 {
		return nil
	}
	for len(v.comments) > 0 && (now.Sub(v.comments[0].at) > toldAgain || len(v.comments)+len(comments) > maxToldReactions) {
		v.comments = v.comments[1:]
	}
	for _, t := range comments {
		v.comments = append(v.comments, toldReactions{t, now})
	}
	return reactionsEvent(v.video, v.totals, comments)
}

func (v *roomView) takeHeld(p roomParts, now time.Time, e *roomEvents) {
	if p.whole {
		v.missedHeld(p.held, now, e)
	}
	for _, h := range p.held {
		i, known := v.findHeld(h.GetRow().GetId())
		switch {
		case !known && !h.Resolved:
			v.held = slices.Insert(v.held, i, heldView{h, now})
			e.moderators = append(e.moderators, heldEvent(v.video, h, true))
			e.users = append(e.users, userEvent{h.Row.UserId, heldEvent(v.video, h, false), true})
		case !known && p.whole, known && v.held[i].Resolved, known && !h.Resolved:
			continue // nobody knew of it, or everybody does
		default:
			if known {
				v.held[i] = heldView{h, now}
			} else {
				v.held = slices.Insert(v.held, i, heldView{h, now})
			}
			event := resolvedEvent(v.video, h)
			e.moderators = append(e.moderators, event)
			e.users = append(e.users, userEvent{h.Row.UserId, event, true})
		}
		v.madeWaiting = false
	}
	if len(v.held) > MaxHeld {
		v.held = slices.DeleteFunc(v.held, func(h heldView) bool { return h.Resolved && now.Sub(h.at) > toldAgain })
	}
}

// missedHeld ends the waiting of comments of which an owner does not know that
// they wait. It tells as many as fit into an answer, the oldest first.
func (v *roomView) missedHeld(waiting []*wire.HeldRow, now time.Time, e *roomEvents) {
	last := uint64(0)
	for _, h := range waiting {
		last = max(last, h.GetRow().GetId())
	}
	for i, h := range v.held {
		told := slices.ContainsFunc(waiting, func(w *wire.HeldRow) bool { return w.GetRow().GetId() == h.Row.Id })
		if h.Resolved || told || last != 0 && h.Row.Id > last {
			continue
		}
		gone := &wire.HeldRow{Row: &wire.Row{Id: h.Row.Id, UserId: h.Row.UserId}, Resolved: true}
		v.held[i], v.madeWaiting = heldView{gone, now}, false
		e.moderators = append(e.moderators, resolvedEvent(v.video, gone))
	}
}

func (v *roomView) findHeld(id uint64) (int, bool) {
	return slices.BinarySearchFunc(v.held, id, func(h heldView, id uint64) int {
		switch {
		case h.Row.Id < id:
			return -1
		case h.Row.Id > id:
			return 1
		}
		return 0
	})
}

func (v *roomView) takeMute(m *wire.MuteUser, now time.Time, e *roomEvents) {
	for len(v.muted) > 0 && (now.Sub(v.muted[0].at) > toldAgain || len(v.muted) > maxToldAgain) {
		v.muted = v.muted[1:]
	}
	for _, told := range slices.Backward(v.muted) {
		if told.UserId == m.UserId {
			if told.UntilMs == m.UntilMs && told.Unmute == m.Unmute {
				return // an owner tells it again
			}
			break
		}
	}
	v.muted = append(v.muted, toldMute{m, now})
	e.users = append(e.users, userEvent{m.UserId, mutedEvent(v.video, m), false})
}

// snapshot is all that the view knows.
func (v *roomView) snapshot() roomParts {
	p := roomParts{room: v.room, reactions: []*wire.ReactionTotals{{Totals: v.totals}}, whole: true}
	for _, t := range v.comments {
		p.reactions = append(p.reactions, t.ReactionTotals)
	}
	for _, h := range v.held {
		p.held = append(p.held, h.HeldRow)
	}
	for _, m := range v.muted {
		p.muted = append(p.muted, m.MuteUser)
	}
	return p
}

// opening gives a viewer that joins the state of the room, as far as it is not
// what viewers take for granted.
func (v *roomView) opening(who *rights) (frames []*Frame) {
	if !v.madeJoining {
		var events [][]byte
		if v.room.Ended {
			events = append(events, endEvent(v.video))
		}
		if v.room.Ended || v.room.SlowModeSeconds != 0 {
			events = append(events, roomEvent(v.video, v.room))
		}
		if v.room.PinnedCommentId != 0 {
			events = append(events, pinEvent(v.video, v.room))
		}
		if len(v.totals) > 0 {
			events = append(events, reactionsEvent(v.video, v.totals, nil))
		}
		v.joining, v.madeJoining = stateFrame(events), true
	}
	if v.joining != nil {
		frames = append(frames, v.joining)
	}
	switch {
	case who == nil:
	case who.moderator:
		if !v.madeWaiting {
			v.waiting, v.madeWaiting = stateFrame(v.heldEvents(who, false)), true
		}
		if v.waiting != nil {
			frames = append(frames, v.waiting)
		}
	default:
		if own := stateFrame(v.heldEvents(who, false)); own != nil {
			frames = append(frames, own)
		}
	}
	return frames
}

// again gives a viewer that was behind all that it may have missed.
func (v *roomView) again(who *rights) *Frame {
	var events [][]byte
	if v.room.Ended {
		events = append(events, endEvent(v.video))
	}
	events = append(events, roomEvent(v.video, v.room), pinEvent(v.video, v.room))
	latest := map[uint64]int{}
	for i, t := range v.comments {
		latest[t.CommentId] = i
	}
	var comments []*wire.ReactionTotals
	for i, t := range v.comments {
		if latest[t.CommentId] == i {
			comments = append(comments, t.ReactionTotals)
		}
	}
	if len(v.totals) > 0 || len(comments) > 0 {
		events = append(events, reactionsEvent(v.video, v.totals, comments))
	}
	events = append(events, v.heldEvents(who, true)...)
	if who != nil {
		for _, m := range v.muted {
			if m.UserId == who.userID {
				events = append(events, mutedEvent(v.video, m.MuteUser))
			}
		}
	}
	return stateFrame(events)
}

// heldEvents are those of what a viewer may see, with what was resolved lately
// if it is asked for.
func (v *roomView) heldEvents(who *rights, resolved bool) (events [][]byte) {
	if who == nil {
		return nil
	}
	for _, h := range v.held {
		switch {
		case !who.moderator && (who.userID == "" || h.Row.UserId != who.userID):
		case !h.Resolved:
			events = append(events, heldEvent(v.video, h.HeldRow, who.moderator))
		case resolved:
			events = append(events, resolvedEvent(v.video, h.HeldRow))
		}
	}
	return events
}

// stateFrame makes a frame of events that a viewer must hear of, sooner or
// later; nil if there are none.
func stateFrame(events [][]byte) *Frame {
	if len(events) == 0 {
		return nil
	}
	f := newFrame(events...)
	f.state = true
	return f
}

// withNews adds events of a room to those that are in no frame yet. A pin takes
// the place of the one before: that comment may be deleted by now, and nobody
// who joins in between is to be shown it.
func withNews(news [][]byte, video string, events [][]byte) [][]byte {
	prefix := pinPrefix(video)
	isPin := func(event []byte) bool { return bytes.HasPrefix(event, prefix) }
	if slices.ContainsFunc(events, isPin) {
		news = slices.DeleteFunc(news, isPin)
	}
	return append(news, events...)
}

// pinPrefix is how a live video's pin events begin.
func pinPrefix(video string) []byte {
	return []byte("event: pin\ndata: {\"liveVideoId\":\"" + video + "\",")
}

func endEvent(video string) []byte {
	return namedEvent("end", fmt.Sprintf(`{"liveVideoId":"%s","state":"ended"}`, video))
}

func roomEvent(video string, room *wire.RoomState) []byte {
	return namedEvent("room", fmt.Sprintf(`{"liveVideoId":"%s","state":"%s","slowModeSeconds":%d}`, video, stateName(room.Ended), room.SlowModeSeconds))
}

func pinEvent(video string, room *wire.RoomState) []byte {
	id, comment := "null", "null"
	if room.PinnedCommentId != 0 {
		id = `"` + FormatID(room.PinnedCommentId) + `"`
		if len(room.Pinned) > 0 {
			comment = string(room.Pinned)
		}
	}
	return namedEvent("pin", fmt.Sprintf(`{"liveVideoId":"%s","commentId":%s,"comment":%s}`, video, id, comment))
}

func reactionsEvent(video string, totals map[string]uint64, comments []*wire.ReactionTotals) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `{"liveVideoId":"%s","reactions":%s`, video, totalsJSON(totals))
	for i, t := range comments {
		if i == 0 {
			b.WriteString(`,"comments":{`)
		} else {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"%d":%s`, t.CommentId, totalsJSON(t.Totals))
	}
	if len(comments) > 0 {
		b.WriteByte('}')
	}
	b.WriteByte('}')
	return namedEvent("reactions", b.String())
}

func totalsJSON(totals map[string]uint64) string {
	if len(totals) == 0 {
		return "{}"
	}
	return jsonText(totals)
}

// heldEvent shows a comment that waits; the reason is for moderators.
func heldEvent(video string, h *wire.HeldRow, reason bool) []byte {
	comment := string(RowJSON(h.Row))
	if reason && h.Reason != "" {
		comment = strings.TrimSuffix(comment, "}") + `,"reason":` + jsonText(h.Reason) + "}"
	}
	return namedEvent("held", fmt.Sprintf(`{"liveVideoId":"%s","comment":%s}`, video, comment))
}

func resolvedEvent(video string, h *wire.HeldRow) []byte {
	resolved, comment := "rejected", ""
	if h.Approved {
		resolved = "approved"
		if h.CommentId != 0 {
			comment = fmt.Sprintf(`,"commentId":"%d"`, h.CommentId)
		}
	}
	return namedEvent("held", fmt.Sprintf(`{"liveVideoId":"%s","id":"%d","resolved":"%s"%s}`, video, h.Row.Id, resolved, comment))
}

func mutedEvent(video string, m *wire.MuteUser) []byte {
	until := []byte("null")
	if !m.Unmute && m.UntilMs != 0 {
		until, _ = json.Marshal(time.UnixMilli(m.UntilMs).UTC().Format(timeFormat)) // a text always can be written
	}
	return namedEvent("muted", fmt.Sprintf(`{"liveVideoId":"%s","muted":%t,"mutedUntil":%s}`, video, !m.Unmute, until))
}
