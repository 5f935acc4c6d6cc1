package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// Conn is the way to one client. Its viewer alone writes to it and closes it.
type Conn interface {
	// Write gives the client what it takes at once and never waits. If it
	// takes less than all of b, err is nil, and the viewer's Writable is called
	// when it takes more.
	Write(b []byte) (n int, err error)
	// Close lets the client go. It is called once.
	Close()
}

// ViewerConfig says who watches what, and from where.
type ViewerConfig struct {
	Conn Conn
	// LiveVideoID is what is watched; or Videos, several at a time, in the
	// order of their names.
	LiveVideoID string
	Videos      []string
	Encoding    Encoding
	// Chunked: the body is sent in HTTP/1.1 chunks; otherwise it is raw bytes
	// up to the end of the connection. Not with WebSocket.
	Chunked bool
	// Head is written before all else: the response head.
	Head []byte
	// Resume: only comments above After are sent, all of them. Otherwise the
	// stream opens with the last History comments.
	Resume  bool
	After   uint64
	History int
	// Positions are After for each of Videos.
	Positions []uint64
	// Rate: at most so many comments a second, a sample of all; 0: all.
	Rate int
	// UserID is who watches, "" if that is not known: these streams get what is
	// for the user alone. A Moderator's stream gets all comments that wait.
	UserID    string
	Moderator bool

	// Poll makes a viewer that is sent nothing: Poll is called once when there
	// is a comment above After, or when the stream is to end. Finish is to
	// follow. It must not wait.
	Poll func()

	// Closed is called once when the viewer is gone, for whatever reason.
	Closed func()

	askedAt time.Time // of the bundle, see bundle.isAhead
	joinAt  uint64    // how many answers the relay has when it may join, see relay.isAhead
	early   []*Frame  // replies from before the opening
}

// Viewer is how the edge speaks to a viewer actor.
type Viewer struct {
	root *actor.RootContext
	pid  *actor.PID
}

// Writable says that the client takes bytes again.
func (v Viewer) Writable() { v.root.Send(v.pid, writable{}) }

// LetGo ends the stream in good order, and tells the client to come back in a
// while. It may run the viewer on the caller's goroutine, its Closed included.
func (v Viewer) LetGo() { v.root.Send(v.pid, letGo{}) }

// HungUp says that the client is gone.
func (v Viewer) HungUp() { v.root.Send(v.pid, hungUp{}) }

type (
	writable struct{}
	hungUp   struct{}

	// startViewer is a viewer's first message.
	startViewer struct{ config ViewerConfig }

	// opening is what a viewer gets when it joins, before live frames.
	opening struct {
		// after is the comment id that the client had before frames.
		after   uint64
		frames  []*Frame // shared with others who join at this point
		state   []*Frame // of the room
		viewers *Frame   // how many watch, or nil
	}

	// restate asks a relay or bundle to tell a viewer the room's state again.
	restate struct{ viewer *viewer }

	// letGo ends a stream in good order; the client is told when to come back.
	letGo struct{}
)

// viewer is the actor for one connection. It handles its messages on the
// goroutine of whoever sends one (viewerMailbox), so that a frame costs no
// switch of goroutines, and an idle viewer has none.
//
// What it has not written yet are references to shared frames; how much and
// for how long is bounded (Config.LagBytes, Config.LagTime).
type viewer struct {
	mailbox  *viewerMailbox
	node     *Node
	self     *actor.PID
	conn     Conn
	config   *ViewerConfig // what only joining needs; nil afterwards
	closed   func()
	who      *rights // nil: nobody
	video    string  // what is watched, as relays knows it
	encoding Encoding
	chunked  bool
	closing  bool
	gone     bool
	polled   bool   // poll was called
	said     bool   // a WebSocket's close frame is sent, or in the queue
	ends     uint8  // the closeReason, while closing
	poll     func() // ViewerConfig.Poll, nil for most

	// fan and joinedAfter belong to the relay, slot to the fan-out that has the viewer.
	fan         *fanRef
	joinedAfter uint64 // see relay.passAhead
	entered     bool   // belongs to relays
	slot        int

	// queue are frames not yet written; of the first, offset bytes are.
	queue  []*Frame
	offset int
	// waiting is the number of bytes in queue that are not written.
	waiting int
	// allowance is added to the lag limit while the opening is on its way.
	allowance int
	behind    time.Time // since when the queue is not empty

	// lastID is the last comment that the client has, or will have when the
	// first frame of the queue is written.
	lastID uint64
	lag    *lag

	crc, size uint32 // of all that was sent, uncompressed, for gzip's trailer
}

// lag is what a viewer keeps while it is too far behind: frames are dropped
// until all that waits is written; then it is told of the gap.
type lag struct {
	dropped int    // comments
	newest  *Frame // the last frame dropped that has comments
	deleted []ringEvent
	spans   []videoSpan // of a bundle's frames dropped, but for the newest
	state   bool        // frames with the state of a room were dropped
	replies []*Frame    // they are sent with the rest
	bytes   int         // of replies
}

// Receive handles all messages but frames, which viewerMailbox gives to
// deliver.
func (v *viewer) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case writable:
		v.flush()
	case hungUp:
		v.stop(closedByClient)
	case *opening:
		v.open(m)
	case *startViewer:
		v.start(ctx, m)
	case letGo:
		v.letGo()
	case reply:
		v.deliver(m.frame)
	case *finish:
		v.finish(m)
	case *actor.Stopping:
		v.stop(closedByNode)
	}
}

func (v *viewer) start(ctx actor.Context, m *startViewer) {
	c := m.config
	v.self, v.conn, v.closed = ctx.Self(), c.Conn, c.Closed
	v.video, v.encoding, v.chunked, v.poll = c.LiveVideoID, c.Encoding, c.Chunked, c.Poll
	if len(c.Videos) > 0 {
		v.video = bundleName(c.Videos)
	}
	if c.UserID != "" || c.Moderator {
		v.who = &rights{c.UserID, c.Moderator}
	}
	if c.Rate > 0 {
		c.Rate = rateClass(c.Rate)
	}
	v.lastID, v.config = c.After, &c
	first := c.Head
	if v.encoding == Gzip {
		var header form
		header.set(gzipHeader)
		first = append(first, v.bytes(&header)...)
	}
	// The socket is new and its buffer empty: a head always fits.
	if n, err := v.conn.Write(first); err != nil || n < len(first) {
		v.stop(closedByClient)
		return
	}
	v.node.root.Send(v.node.relays, &join{v})
}

// bytes is what goes over the wire of a form.
func (v *viewer) bytes(f *form) []byte {
	if v.chunked {
		return f.chunk
	}
	return f.body
}

// begin counts a frame as sent, when its first byte is about to be written.
func (v *viewer) begin(f *Frame, form *form) {
	if f.lastID > v.lastID {
		v.lastID = f.lastID
	}
	if v.encoding == Gzip {
		v.crc = crcCombine(v.crc, form.crc, form.shift)
		v.size += form.size
	}
}

// deliver takes the next frame.
func (v *viewer) deliver(f *Frame) {
	if v.gone || v.closing || v.poll != nil || v.config != nil {
		v.deliverLater(f)
		return
	}
	if len(v.queue) == 0 {
		form := f.in(v.encoding)
		b := v.bytes(form)
		n, err := v.conn.Write(b)
		if err != nil {
			v.stop(closedByClient)
			return
		}
		v.begin(f, form)
		if n < len(b) {
			v.queue, v.offset, v.waiting = append(v.queue, f), n, len(b)-n
			v.behind = v.node.now()
		}
		return
	}
	if f.heartbeat {
		return
	}
	if v.lag != nil {
		v.drop(f)
		return
	}
	size := len(v.bytes(f.in(v.encoding)))
	switch {
	case v.node.now().Sub(v.behind) > v.node.config.LagTime:
		v.stop(closedTooSlow)
	case v.waiting+size <= v.node.config.LagBytes+v.allowance:
		v.queue, v.waiting = append(v.queue, f), v.waiting+size
	case v.node.config.CloseSlow:
		v.stop(closedTooSlow)
	default:
		v.fallBehind(f)
	}
}

// fallBehind drops what waits, but for the frame that is half written.
func (v *viewer) fallBehind(f *Frame) {
	v.lag = &lag{}
	for _, waiting := range v.queue[1:] {
		v.drop(waiting)
	}
	v.drop(f)
	v.waiting = len(v.bytes(v.queue[0].in(v.encoding))) - v.offset
	v.queue = append([]*Frame(nil), v.queue[0])
	v.node.metrics.gaps.Inc()
}

// drop leaves a frame out and notes what the client must be told of it.
func (v *viewer) drop(f *Frame) {
	if f.reply {
		v.keepReply(f)
		return
	}
	if f.comments > 0 {
		v.lag.dropped += f.comments
		if v.lag.newest != nil {
			v.lag.spans = mergeSpans(v.lag.spans, v.lag.newest.spans)
		}
		v.lag.newest = f
	}
	v.lag.state = v.lag.state || f.state
	v.lag.deleted = append(v.lag.deleted, f.deleted...)
	if len(v.lag.deleted) > maxMissedDeletions || v.node.now().Sub(v.behind) > v.node.config.LagTime {
		v.stop(closedTooSlow)
	}
}

// maxMissedDeletions bounds what is kept for a viewer that falls behind.
const maxMissedDeletions = 1000

// flush writes what waits, as far as the client takes it.
func (v *viewer) flush() {
	for !v.gone {
		for len(v.queue) > 0 {
			b := v.bytes(v.queue[0].in(v.encoding))[v.offset:]
			n, err := v.conn.Write(b)
			if err != nil {
				v.stop(closedByClient)
				return
			}
			v.offset += n
			v.waiting -= n
			if n < len(b) {
				return
			}
			v.next()
		}
		v.queue, v.allowance = nil, 0
		if v.lag == nil {
			break
		}
		v.catchUp()
	}
	if v.closing && !v.gone {
		v.stop(closeReason(v.ends))
	}
}

// next goes on to the frame behind the one that is written.
func (v *viewer) next() {
	v.queue[0] = nil
	v.queue, v.offset = v.queue[1:], 0
	if len(v.queue) > 0 {
		v.begin(v.queue[0], v.queue[0].in(v.encoding))
	}
}

// catchUp tells a viewer that has written all it had what it missed, and goes
// on with the newest frame.
func (v *viewer) catchUp() {
	missed := v.lag
	v.lag = nil
	var told [][]byte
	if missed.newest != nil && missed.dropped > missed.newest.comments {
		if missed.newest.spans == nil {
			told = append(told, gapEvent(v.video, v.lastID, missed.newest.firstID))
		}
		for _, s := range missed.spans {
			told = append(told, gapEvent(s.video, s.firstID-1, s.lastID+1))
		}
		v.node.metrics.gapComments.Add(float64(missed.dropped - missed.newest.comments))
	}
	for _, deletion := range missed.deleted {
		told = append(told, deletion.event)
	}
	if len(told) > 0 {
		v.push(newFrame(told...))
	}
	if missed.newest != nil {
		v.push(missed.newest)
	}
	if missed.state {
		v.node.root.Send(v.node.relays, &restate{v})
	}
	for _, f := range missed.replies {
		v.push(f)
	}
	v.behind = v.node.now()
}

// push puts a frame at the end of the queue without regard to the lag limit.
func (v *viewer) push(f *Frame) {
	form := f.in(v.encoding)
	if len(v.queue) == 0 {
		v.offset = 0
		v.begin(f, form)
	}
	v.queue = append(v.queue, f)
	v.waiting += len(v.bytes(form))
}

// open gives a viewer what it missed, when it has joined.
func (v *viewer) open(m *opening) {
	early := v.config.early
	v.config = nil
	if v.gone || v.closing {
		return
	}
	if v.poll != nil {
		for _, f := range m.frames {
			v.deliverLater(f)
		}
		return
	}
	v.lastID = m.after
	v.behind = v.node.now()
	// Who reads it has joined: from here on nothing is missed.
	v.push(v.node.retry.any())
	for _, f := range m.frames {
		v.push(f)
	}
	for _, f := range m.state {
		v.push(f)
	}
	if m.viewers != nil {
		v.push(m.viewers)
	}
	for _, f := range early {
		v.push(f)
	}
	v.allowance = v.waiting
	v.flush()
}

// letGo ends the stream after what is half written, and tells the client when
// to come back.
func (v *viewer) letGo() {
	if v.poll != nil {
		v.wake()
		return
	}
	if v.conn == nil { // it is not open yet
		return
	}
	v.finish(&finish{frame: v.node.away.any(), as: closedByNode})
}

// stop ends the viewer. A stream that ends between two frames is ended in
// good order, for strict readers.
func (v *viewer) stop(reason closeReason) {
	if v.gone {
		return
	}
	v.gone = true
	if (reason == closedByNode || v.closing) && len(v.queue) == 0 {
		v.end()
	}
	v.queue, v.lag = nil, nil
	v.conn.Close()
	v.node.streams.Add(-1)
	v.node.metrics.streamsClosed[reason].Inc()
	if v.closed != nil {
		v.closed()
	}
	v.node.root.Send(v.node.relays, &leave{v})
	v.node.root.Stop(v.self)
}

// end writes what closes the body. If the client doesn't take it, it has all
// events nevertheless.
func (v *viewer) end() {
	var b []byte
	if v.encoding == Gzip {
		var trailer form
		trailer.set(gzipTrailer(v.crc, v.size))
		b = append(b, v.bytes(&trailer)...)
	}
	if v.encoding == WebSocket && !v.said {
		b = AppendCloseFrame(b, CloseGoingAway, "")
	}
	if v.chunked {
		b = append(b, lastChunk...)
	}
	if len(b) > 0 {
		_, _ = v.conn.Write(b)
	}
}
