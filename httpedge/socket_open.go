package httpedge

import (
	"crypto/sha1" //nolint:gosec // the handshake's hash, no secret
	"encoding/base64"
	"net"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"barrage/actors"
)

// streamSocket answers GET /comments/{liveVideoId}/ws: the stream over a
// WebSocket (RFC 6455), on which the client may post, too. What is refused is
// refused before the connection changes its protocol, as an answer like others.
func (e *Edge) streamSocket(ctx *fasthttp.RequestCtx) error {
	v := actors.ViewerConfig{Encoding: actors.WebSocket}
	var err error
	if v.LiveVideoID, err = liveVideoID(ctx); err != nil {
		return err
	}
	if v.Head, err = handshake(ctx); err != nil {
		return err
	}
	if v.After, v.Resume, err = resumePoint(ctx); err != nil {
		return err
	}
	reader, err := e.readStream(ctx, &v)
	if err != nil {
		wait, passes := e.passes(ctx, err)
		if passes {
			putOffSocket(ctx, v.Head, wait)
			return nil
		}
		return err
	}
	from := e.client(ctx, reader)
	leave, limited := e.enter(from, v)
	if leave == nil {
		putOffSocket(ctx, v.Head, limited.wait())
		return nil
	}
	s := &socket{
		edge: e, video: v.LiveVideoID, author: reader, address: from.address,
		reader: socketReader{limit: e.config.MaxBodyBytes},
	}
	v.Closed = func() {
		s.leave()
		leave()
	}
	ctx.HijackSetNoResponse(true)
	ctx.Hijack(func(conn net.Conn) {
		e.openStream(conn, v, reader, func(stream *streamConn) { s.conn, stream.socket = stream, s })
	})
	return nil
}

// putOffSocket answers a WebSocket that can't be opened now. A browser does not
// show a page the status of a failed handshake; so the socket is opened, told
// when to come back, and closed.
func putOffSocket(ctx *fasthttp.RequestCtx, head []byte, wait time.Duration) {
	b := append(head, actors.WebSocketRetry(putOff(wait))...)
	b = actors.AppendCloseFrame(b, actors.CloseGoingAway, "Come back later.")
	ctx.HijackSetNoResponse(true)
	ctx.Hijack(func(conn net.Conn) {
		// The buffer of a new connection has room. Who is gone needs no answer.
		_, _ = conn.Write(b)
		_ = conn.Close()
	})
}

// isHandshake says whether a request asks for a WebSocket.
func isHandshake(ctx *fasthttp.RequestCtx) bool {
	return ctx.IsGet() && strings.HasSuffix(string(ctx.Path()), "/ws") &&
		hasToken(ctx.Request.Header.PeekAll("Upgrade"), "websocket")
}

// acceptGUID is what the server's answer to a key is made with (RFC 6455, 1.3).
const acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// handshake reads a client's opening handshake, and gives the head that answers
// it. No extension is taken: compression for each message (RFC 7692) needs a
// context for each viewer, or as much work for each as frames spare.
func handshake(ctx *fasthttp.RequestCtx) (head []byte, err error) {
	h := &ctx.Request.Header
	version := string(h.Peek("Sec-WebSocket-Version"))
	switch {
	case !hasToken(h.PeekAll("Upgrade"), "websocket"), !hasToken(h.PeekAll("Connection"), "upgrade"):
		return nil, upgrade("Ask for it with Connection: Upgrade and Upgrade: websocket.")
	case version != "13":
		return nil, upgrade("Sec-WebSocket-Version must be 13.")
	case !h.IsHTTP11():
		return nil, upgrade("A WebSocket needs HTTP/1.1.")
	}
	const keyBytes = 16
	keys := h.PeekAll("Sec-WebSocket-Key")
	if len(keys) != 1 {
		return nil, malformed.because("There must be one Sec-WebSocket-Key.")
	}
	if key, err := base64.StdEncoding.DecodeString(string(keys[0])); err != nil || len(key) != keyBytes {
		return nil, malformed.because("Sec-WebSocket-Key must be %d bytes in base64.", keyBytes)
	}
	accept := sha1.Sum([]byte(string(keys[0]) + acceptGUID)) //nolint:gosec // as RFC 6455 has it
	return []byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		base64.StdEncoding.EncodeToString(accept[:]) + "\r\n\r\n"), nil
}

func upgrade(detail string) error {
	p := upgradeRequired.because("%s", detail)
	p.upgrade = true
	return p
}

// hasToken says whether a header that is a list has a token, in any case.
func hasToken(values [][]byte, token string) bool {
	for _, value := range values {
		for part := range strings.SplitSeq(string(value), ",") {
			if strings.EqualFold(strings.TrimSpace(part), token) {
				return true
			}
		}
	}
	return false
}
