package actors

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"

	"barrage/actors/wire"
	"barrage/persistence"
	"barrage/persistence/records"
)

// The room is what is set for a live video: whether it has ended, slow mode,
// what is pinned, who is muted, and what is held for moderators. Its owner
// changes it as it takes comments: a change is given to the journal, and holds,
// and is told and answered, when that has it on disk.

// MaxMutes is how many users of a live video may be muted at a time.
const MaxMutes = 10_000

// roomState is the room as its owner knows it.
type roomState struct {
	// set is durable. Its parts are never changed, but replaced.
	set *records.Room
	// pinned is the JSON of the pinned comment, if it is known.
	pinned []byte
	// at is the highest at_ms that a part has, or will have.
	at    int64
	held  heldComments
	mutes []recentMute
	// slow and repeats are what users posted lately; nil while nobody needs to
	// know.
	slow    *lastPosts
	repeats *repeatedPosts
}

// recentMute is a mute, or its end, that relays may not have heard of.
type recentMute struct {
	mute *wire.MuteUser
	at   time.Time
}

// toldAgain is how long a change is told again to relays that subscribe: they
// may have missed it while the owner changed, and their viewers while they were
// behind.
const toldAgain = 2 * time.Minute

// maxToldAgain bounds the mutes among these.
const maxToldAgain = 1000

// roomChange is what a pending record changes in the room.
type roomChange struct {
	parts *records.Room
	// pinned goes with parts.Pin.
	pinned []byte
	// ask is what is answered when the change is durable; nil: a comment is.
	ask *wire.ReadVideo
}

// room is the parts of a change that may be nil.
func (c *roomChange) room() *records.Room {
	if c == nil {
		return nil
	}
	return c.parts
}

// changeRoom sets something.
func (l *liveVideo) changeRoom(m *wire.ChangeRoom, sender *actor.PID) {
	if code, detail := l.checkChange(m); code != wire.Code_OK {
		l.refuse(m, sender, code, detail)
		return
	}
	parts, event := l.roomParts(m)
	asker := &wire.ReadVideo{UserId: m.GetMute().GetUserId()}
	if event == nil { // it is so
		l.readVideo(asker, sender)
		return
	}
	event.ActorId = m.By
	p := &pendingRecord{change: &roomChange{parts: parts, pinned: m.Pinned, ask: asker}, waiters: []*actor.PID{sender}}
	if !l.append(&records.Record{Kind: &records.Record_RoomEvent{RoomEvent: event}, Room: parts}, p) {
		l.refuse(m, sender, wire.Code_UNAVAILABLE, "The change can't be stored now.")
	}
}

func (l *liveVideo) checkChange(m *wire.ChangeRoom) (wire.Code, string) {
	if id := m.GetPinnedCommentId(); id != 0 && (l.recent.deletedOrMissing(id) || l.isDeleting(id)) {
		return wire.Code_NOT_FOUND, "The comment to be pinned does not exist."
	}
	if mute := m.Mute; mute != nil && !mute.Unmute && len(l.room.set.Mutes) >= MaxMutes {
		persistence.TidyRoom(l.room.set, l.node.now())
		if !l.hasMute(mute.UserId) && len(l.room.set.Mutes) >= MaxMutes {
			return wire.Code_UNAVAILABLE, "Too many users of this live video are muted."
		}
	}
	return wire.Code_OK, ""
}

func (l *liveVideo) hasMute(userID string) bool {
	mute, _ := persistence.Muted(l.room.set, userID, l.node.now())
	return mute != nil
}

// isDeleted says whether a comment was deleted lately, or its deletion waits for
// the journal.
func (l *liveVideo) isDeleted(id uint64) bool {
	_, deleted := l.recent.deleted[id]
	return deleted || l.isDeleting(id)
}

// isDeleting says whether a comment's deletion waits for the journal.
func (l *liveVideo) isDeleting(id uint64) bool {
	return slices.ContainsFunc(l.pending, func(p *pendingRecord) bool { return p.delete == id })
}

// stamp is the time of a change: above those of all changes before it.
func (l *liveVideo) stamp() int64 {
	l.room.at = max(l.node.now().UnixMilli(), l.room.at+1)
	return l.room.at
}

// roomParts gives what a request changes, and its line in the audit; no event
// if all is set as it asks for.
func (l *liveVideo) roomParts(m *wire.ChangeRoom) (*records.Room, *records.RoomEvent) {
	set, parts := l.room.set, &records.Room{}
	event := &records.RoomEvent{LiveVideoId: l.id, EventId: l.node.ids.Next(l.lastID), AtMs: l.stamp()}
	detail := map[string]any{}
	kinds := 0
	kind := func(is bool, yes, no string) {
		kinds++
		if event.Kind = no; is {
			event.Kind = yes
		}
	}
	// What a pending change may undo is set anew.
	quiet := !slices.ContainsFunc(l.pending, func(p *pendingRecord) bool { return p.change != nil })
	if m.Ended != nil && (!quiet || *m.Ended != set.GetEnded().GetEnded()) {
		parts.Ended = &records.Ended{Ended: *m.Ended, AtMs: event.AtMs}
		detail["state"] = stateName(*m.Ended)
		kind(*m.Ended, "end", "reopen")
	}
	if s := m.SlowModeSeconds; s != nil && (!quiet || *s != set.GetSlowMode().GetSeconds()) {
		parts.SlowMode = &records.SlowMode{Seconds: *s, AtMs: event.AtMs}
		detail["slowModeSeconds"] = *s
		kind(true, "slow-mode", "")
	}
	if id := m.PinnedCommentId; id != nil && (!quiet || *id != l.pinnedID()) {
		parts.Pin = &records.Pin{CommentId: *id, AtMs: event.AtMs}
		event.CommentId = *id
		kind(*id != 0, "pin", "unpin")
	}
	if m.Create && set.CreatedAtMs == 0 {
		parts.CreatedAtMs = event.AtMs
		if kinds == 0 {
			kind(true, "create", "")
		}
	}
	if mute := m.Mute; mute != nil && (!quiet || !l.isMutedAs(mute)) {
		parts.Mutes = []*records.Mute{{
			UserId: mute.UserId, AtMs: event.AtMs, UntilMs: mute.UntilMs, Ended: mute.Unmute, By: m.By,
		}}
		event.UserId = mute.UserId
		if !mute.Unmute && mute.UntilMs != 0 {
			detail["mutedUntil"] = time.UnixMilli(mute.UntilMs).UTC().Format(timeFormat)
		}
		kind(mute.Unmute, "unmute", "mute")
	}
	switch {
	case kinds == 0:
		return nil, nil
	case kinds > 1:
		event.Kind = "video"
		if parts.Pin != nil {
			detail["pinnedCommentId"] = FormatID(parts.Pin.CommentId)
		}
	}
	if len(detail) > 0 {
		event.Detail = jsonText(detail)
	}
	return parts, event
}

func (l *liveVideo) isMutedAs(m *wire.MuteUser) bool {
	mute, muted := persistence.Muted(l.room.set, m.UserId, l.node.now())
	return muted != m.Unmute && (m.Unmute || mute.UntilMs == m.UntilMs)
}

func stateName(ended bool) string {
	if ended {
		return "ended"
	}
	return "live"
}

// jsonText writes what always can be written.
func jsonText(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}

// onChanged takes a change that is durable, and adds to events what viewers
// are to know of it.
func (l *liveVideo) onChanged(change *roomChange, events *wire.Publish) {
	before := l.roomState()
	persistence.MergeRoom(l.room.set, change.parts)
	if pin := change.parts.Pin; pin != nil && l.room.set.Pin == pin {
		l.room.pinned = change.pinned
		if row := l.recent.row(pin.CommentId); row != nil {
			l.room.pinned = RowJSON(row)
		}
	}
	for _, m := range change.parts.Mutes {
		l.onMuted(m, events)
		l.node.metrics.mutes.Inc()
	}
	for _, h := range change.parts.Held {
		waiting := l.room.held.waiting
		l.room.held.set(h)
		l.node.metrics.held.Add(float64(l.room.held.waiting - waiting))
		if !h.Deleted {
			events.Held = append(events.Held, l.heldRow(h))
		}
	}
	if change.parts.SlowMode != nil {
		l.rememberPosts()
	}
	if state := l.roomState(); !proto.Equal(state, before) {
		events.Room = state
	}
	l.list()
}

func (l *liveVideo) onMuted(m *records.Mute, events *wire.Publish) {
	now := l.node.now()
	news := &wire.MuteUser{UserId: m.UserId, UntilMs: m.UntilMs, Unmute: m.Ended}
	events.Muted = append(events.Muted, news)
	l.room.mutes = append(l.room.mutes, recentMute{news, now})
	for len(l.room.mutes) > maxToldAgain || now.Sub(l.room.mutes[0].at) > toldAgain {
		l.room.mutes = l.room.mutes[1:]
	}
}

// mutedLately are the mutes that relays may not have heard of.
func (l *liveVideo) mutedLately() (lately []*wire.MuteUser) {
	for _, r := range l.room.mutes {
		if l.node.now().Sub(r.at) <= toldAgain {
			lately = append(lately, r.mute)
		}
	}
	return lately
}

// roomState is what viewers are told.
func (l *liveVideo) roomState() *wire.RoomState {
	state := &wire.RoomState{
		Ended:           l.room.set.GetEnded().GetEnded(),
		SlowModeSeconds: l.room.set.GetSlowMode().GetSeconds(),
		PinnedCommentId: l.pinnedID(),
	}
	if state.PinnedCommentId != 0 {
		state.Pinned = l.room.pinned
	}
	return state
}

// videoAsker waits for an answer to ReadVideo.
type videoAsker struct {
	pid    *actor.PID
	userID string
}

func (l *liveVideo) readVideo(m *wire.ReadVideo, sender *actor.PID) {
	l.older.askers = append(l.older.askers, videoAsker{sender, m.UserId})
	if l.older.known {
		l.answerAskers()
	}
}

// video is what is shown of a live video.
func (l *liveVideo) video(userID string) *wire.Video {
	v := &wire.Video{
		Viewers: l.subscriptions.viewers(), Comments: l.comments(),
		Owner: l.node.config.NodeName(), LastCommentId: l.lastID,
		Room: l.roomState(), Reactions: l.reactions.video.all(),
		Exists: l.exists(),
	}
	if mute, muted := persistence.Muted(l.room.set, userID, l.node.now()); muted {
		v.Mute = mutedUser(mute)
	}
	return v
}

// exists says whether an admin made the live video, or it was used.
func (l *liveVideo) exists() bool {
	set := l.room.set
	return l.lastID != 0 || set.CreatedAtMs != 0 || set.Ended != nil || set.SlowMode != nil || set.Pin != nil ||
		len(set.Mutes) > 0 || len(set.Held) > 0 || len(l.reactions.video.totals) > 0
}

func mutedUser(m *records.Mute) *wire.MutedUser {
	return &wire.MutedUser{UserId: m.UserId, UntilMs: m.UntilMs, By: m.By, AtMs: m.AtMs}
}

func (l *liveVideo) readMutes(sender *actor.PID) {
	answer := &wire.Mutes{}
	for _, m := range l.room.set.Mutes {
		if _, muted := persistence.Muted(l.room.set, m.UserId, l.node.now()); muted {
			answer.Mutes = append(answer.Mutes, mutedUser(m))
		}
	}
	l.node.root.Send(sender, answer)
}
