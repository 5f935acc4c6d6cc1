package actors

import "time"

// What a connection says to its client alone passes through its viewer, too:
// answers on a WebSocket come between two frames of the room, and a client that
// asks but does not read is let go like one that is behind.

type (
	// reply is a frame for this viewer alone.
	reply struct{ frame *Frame }

	// finish ends a stream in good order, after one more frame if that is not
	// nil. code and reason are those of a WebSocket's close frame; 0:
	// CloseGoingAway.
	finish struct {
		frame  *Frame
		code   uint16
		reason string
		as     closeReason
	}
)

// Reply sends a text message to the client of a WebSocket. It is never left
// out; if it can't be kept, the client is let go.
func (v Viewer) Reply(message []byte) {
	f := newWebSocketFrame(OpText, message)
	f.reply = true
	v.root.Send(v.pid, reply{f})
}

// Pong answers a ping, unless the client is too far behind.
func (v Viewer) Pong(payload []byte) {
	v.root.Send(v.pid, reply{newWebSocketFrame(OpPong, payload)})
}

// CloseWith ends a WebSocket with a close frame behind what is half written.
func (v Viewer) CloseWith(code uint16, reason string) {
	v.root.Send(v.pid, &finish{code: code, reason: reason})
}

// Finish sends the last bytes of a connection, and closes it.
func (v Viewer) Finish(b []byte) { v.root.Send(v.pid, &finish{frame: newFrame(b)}) }

const (
	// maxEarlyReplies bounds what is kept for a client that has not joined yet.
	maxEarlyReplies = 100
	// finishTime is how long a client may take for its last bytes, which is
	// short of what a TCP_USER_TIMEOUT gives it.
	finishTime = 15 * time.Second
)

// deliverLater takes the frames that deliver can't write.
func (v *viewer) deliverLater(f *Frame) {
	switch {
	case v.gone || v.closing:
	case v.poll != nil:
		if f.comments > 0 {
			v.wake()
		}
	case len(v.config.early) < maxEarlyReplies:
		v.config.early = append(v.config.early, f)
	default:
		v.stop(closedTooSlow)
	}
}

// wake says that there is something for a viewer that waits for just that.
func (v *viewer) wake() {
	if !v.polled && !v.gone && !v.closing {
		v.polled = true
		v.poll()
	}
}

// keepReply keeps a reply for a viewer that is behind.
func (v *viewer) keepReply(f *Frame) {
	v.lag.replies = append(v.lag.replies, f)
	v.lag.bytes += len(v.bytes(f.in(v.encoding)))
	if v.lag.bytes > v.node.config.LagBytes {
		v.stop(closedTooSlow)
	}
}

// finish ends the stream after what is half written.
func (v *viewer) finish(m *finish) {
	if v.gone || v.closing {
		return
	}
	v.lag = nil
	if len(v.queue) > 1 {
		v.queue = v.queue[:1]
	}
	if m.frame != nil {
		v.push(m.frame)
	}
	if m.code != 0 {
		v.push(closeFrame(m.code, m.reason))
		v.said = true
	}
	v.closing, v.ends = true, uint8(m.as)
	v.flush()
	if !v.gone && (v.encoding == WebSocket || v.poll != nil) {
		v.node.after(finishTime, v.self, hungUp{})
	}
}

func closeFrame(code uint16, reason string) *Frame {
	f := &Frame{}
	f.webSocketOnce.Do(func() { f.webSocket.body = AppendCloseFrame(nil, code, reason) })
	return f
}
