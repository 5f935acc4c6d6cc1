package bench

import (
	"fmt"
	"strconv"
	"time"
)

func (r *run) setUp() error {
	var err error
	if r.dial, err = newDialer(r.cfg.URL); err != nil {
		return err
	}
	toks, err := tokens(&r.cfg, time.Now())
	if err != nil {
		return err
	}
	for i := range r.cfg.Readers {
		first, next := i*r.cfg.Viewers/r.cfg.Readers, (i+1)*r.cfg.Viewers/r.cfg.Readers
		rd, err := newReader(readerConfig{
			dial: r.dial.clone(), clk: r.clk, tag: r.tag, request: r.requester(toks), base: first, viewers: next - first,
			seed: r.cfg.Seed, limit: max(1, r.cfg.JoinConcurrency/r.cfg.Readers),
		})
		if err != nil {
			return err
		}
		r.readers = append(r.readers, rd)
	}
	if r.cfg.Reactions > 0 {
		r.reactors = newReactors(&r.cfg, r.clk, r.dial, toks)
	}
	if !r.cfg.posts() {
		return nil
	}
	r.poster, err = newPoster(posterConfig{
		dial: r.dial.clone(), clk: r.clk, tag: r.tag, video: r.cfg.Video, tokens: toks, workers: r.cfg.PostWorkers,
		size: r.cfg.MessageSize, seed: r.cfg.Seed, deadline: r.cfg.PostDeadline,
	})
	if err != nil {
		return err
	}
	return nil
}

// requester makes the function that writes a viewer's request.
func (r *run) requester(toks []string) func(v *viewer) []byte {
	head := fmt.Appendf(nil, "GET /comments/%s/stream HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\nUser-Agent: barrage-bench\r\n", r.cfg.Video, r.dial.host)
	if r.cfg.WebSocket {
		// Any key will do: it proves that the server has read it.
		head = fmt.Appendf(nil, "GET /comments/%s/ws HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nUser-Agent: barrage-bench\r\n", r.cfg.Video, r.dial.host)
	}
	if r.cfg.Gzip {
		head = append(head, "Accept-Encoding: gzip\r\n"...)
	}
	if r.cfg.ViewerTokens && len(toks) > 0 {
		head = fmt.Appendf(head, "Authorization: Bearer %s\r\n", toks[0])
	}
	var buf []byte
	return func(v *viewer) []byte {
		buf = append(buf[:0], head...)
		if v.last != 0 {
			buf = append(buf, "Last-Event-ID: "...)
			buf = strconv.AppendUint(buf, v.last, 10)
			buf = append(buf, "\r\n"...)
		}
		return append(buf, "\r\n"...)
	}
}
