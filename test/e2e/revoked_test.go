package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"

	"barrage/test/harness"
)

// ended reads a stream to its end, and checks that its client was told when to
// come back.
func ended(t *testing.T, name string, s *harness.Stream) {
	t.Helper()
	told := false
	for {
		e, err := s.Next()
		switch {
		case errors.Is(err, io.EOF):
			if !told {
				t.Errorf("%s: the stream ended without a retry", name)
			}
			return
		case err != nil:
			t.Errorf("%s: %v", name, err)
			return
		}
		told = e.Kind == harness.KindRetry
	}
}

// TestStreamsEndWhenTheirTokenIsWithdrawn: of the streams in a room, those end
// whose token is no good any more, however they were opened, and no other.
func TestStreamsEndWhenTheirTokenIsWithdrawn(t *testing.T) {
	sessions := secretFile(t, "of-file: {userId: ann}\nof-file-2: {userId: bob, role: moderator}\nof-file-3: {userId: cat}")
	p, n := login(t, "--auth-sessions-file="+sessions, "--auth-leeway=0", "--stream-heartbeat=50ms")
	p.Session("asked", map[string]any{"sub": "eve"})
	p.Session("asked-2", map[string]any{"sub": "fay"})
	p.AddKey("old", jwt.SigningMethodEdDSA)
	eventually(t, func() error {
		_, err := n.Client(p.Sign("old", claimsOf("ida"), nil)).Post(t.Context(), "other", "the key is known", nil)
		return err
	})
	// Everything that goes on must take comments to the end.
	stay := map[string]*harness.Stream{
		"anonymous":      openedStream(t, n, n.Anyone(), "room", "", nil),
		"JWT":            openedStream(t, n, n.Anyone(), "room", "token="+p.Sign("e", claimsOf("gus"), nil), nil),
		"file":           openedStream(t, n, n.Anyone(), "room", "token=of-file-3", nil),
		"asked":          openedStream(t, n, n.Anyone(), "room", "token=asked-2", nil),
		"asked, gzipped": openedStream(t, n, n.Anyone(), "room", "token=asked-2", harness.Header("Accept-Encoding", "gzip")),
	}
	soon := claimsOf("hal")
	soon["exp"] = time.Now().Add(8 * time.Second).Unix()
	expires := p.Sign("e", soon, nil)
	oldKey := p.Sign("old", claimsOf("ida"), nil)
	withdrawn := claimsOf("ida")
	withdrawn["jti"] = "another of the same key"
	streams := map[string]struct {
		query    string
		header   http.Header
		withdraw func()
	}{
		"session of the file": {"token=of-file", nil, func() {
			replaceFile(t, sessions, "of-file-2: {userId: bob, role: moderator}\nof-file-3: {userId: cat}")
		}},
		"role of the file": {"", harness.Header("X-Session-Token", "of-file-2"), func() {
			replaceFile(t, sessions, "of-file-2: {userId: bob}\nof-file-3: {userId: cat}")
		}},
		"asked":         {"", harness.Header("Cookie", "session=asked", "Accept-Encoding", "gzip"), func() { p.Session("asked", nil) }},
		"withdrawn key": {"", harness.Header("Authorization", "Bearer "+oldKey), func() { p.RemoveKey("old") }},
		"expired":       {"token=" + expires, nil, func() {}},
	}
	order := []string{"session of the file", "role of the file", "asked", "withdrawn key", "expired"}
	open := map[string]*harness.Stream{}
	for _, name := range order {
		open[name] = openedStream(t, n, n.Anyone(), "room", streams[name].query, streams[name].header)
	}
	bundle, err := n.Anyone().Open(t.Context(), "/stream?videos=room,other", harness.Header("Authorization", "Bearer "+p.Sign("old", withdrawn, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer bundle.Close()
	for _, name := range order {
		streams[name].withdraw()
		ended(t, name, open[name])
	}
	ended(t, "bundle", bundle)
	// Who comes back is refused, which stops an EventSource for good.
	for _, name := range []string{"session of the file", "asked", "withdrawn key", "expired"} {
		_, err := n.Anyone().Open(t.Context(), "/comments/room/stream?"+streams[name].query, streams[name].header)
		if harness.StatusOf(err) != http.StatusUnauthorized {
			t.Errorf("%s: coming back: %v", name, err)
		}
	}
	last := post(t, n.Client(p.Sign("e", claimsOf("gus"), nil)), "room", "to those who stay")
	for name, s := range stay {
		if c, err := s.NextComment(); err != nil || c != last {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
	if got := metric(t, n, "barrage_streams_revoked_total"); got != 6 {
		t.Errorf("%v streams revoked", got)
	}
}

// TestWebSocketsAndPollsEndWhenTheirTokenIsWithdrawn: they are streams, too.
func TestWebSocketsAndPollsEndWhenTheirTokenIsWithdrawn(t *testing.T) {
	p, n := login(t)
	for _, token := range []string{"socket", "poll", "stays"} {
		p.Session(token, map[string]any{"sub": "user of " + token})
	}
	const query = "/comments/room?since=0&wait=60"
	poll := func(token string) <-chan error {
		done := make(chan error, 1)
		ctx, cancel := context.WithTimeout(t.Context(), harness.Patience/2) // before the wait is over by itself
		t.Cleanup(cancel)
		go func() {
			answer, err := n.Anyone().Do(ctx, http.MethodGet, query, nil, harness.Header("X-Session-Token", token))
			if err == nil && (answer.Status != http.StatusOK || !strings.Contains(string(answer.Body), `"comments":[]`)) {
				err = fmt.Errorf("answered %v", answer)
			}
			done <- err
		}()
		return done
	}
	socket, stays := n.Socket(t, n.Anyone(), "room", "token=socket"), n.Socket(t, n.Anyone(), "room", "token=stays")
	polled := poll("poll")
	eventually(t, func() error {
		if got := video(t, n.Anyone(), "room").Viewers; got != 3 {
			return fmt.Errorf("%d viewers", got)
		}
		return nil
	})
	p.Session("socket", nil)
	p.Session("poll", nil)
	if err := <-polled; err != nil {
		t.Errorf("who waited: %v", err)
	}
	for told := false; ; {
		e, err := socket.Next()
		if err == nil {
			told = e.Event == "retry"
			continue
		}
		if got := websocket.CloseStatus(err); got != websocket.StatusGoingAway || !told {
			t.Errorf("the WebSocket ended with %v; told when to come back: %v", err, told)
		}
		break
	}
	// Who comes back is refused.
	if _, err := n.Anyone().Socket(t.Context(), "room", "token=socket"); harness.StatusOf(err) != http.StatusUnauthorized {
		t.Errorf("a WebSocket again: %v", err)
	}
	expectProblem(t, do(t, n.Anyone(), http.MethodGet, query, nil, harness.Header("X-Session-Token", "poll")), http.StatusUnauthorized)
	last := post(t, n.Client("stays"), "room", "to those who stay")
	if c, err := stays.NextComment(); err != nil || c != last {
		t.Errorf("who stays: %+v, %v", c, err)
	}
	if got := metric(t, n, "barrage_streams_revoked_total"); got != 2 {
		t.Errorf("%v streams revoked", got)
	}
}

// TestStreamsGoOnWhileTheLoginIsAway: nobody knows whether their tokens are
// good; they have been.
func TestStreamsGoOnWhileTheLoginIsAway(t *testing.T) {
	p, n := login(t)
	p.Session("asked", map[string]any{"sub": "eve"})
	streams := []*harness.Stream{
		openedStream(t, n, n.Anyone(), "room", "token=asked", nil),
		openedStream(t, n, n.Anyone(), "room", "token="+p.Sign("e", claimsOf("gus"), nil), nil),
	}
	p.GoAway()
	eventually(t, func() error { // it was asked again, and the keys fetched
		for _, name := range []string{`barrage_introspections_total{result="failed"}`, `barrage_jwks_fetches_total{result="failed"}`} {
			if v := metric(t, n, name); v < 3 {
				return fmt.Errorf("%s is %v", name, v)
			}
		}
		return nil
	})
	c := post(t, n.Client(p.Sign("e", claimsOf("gus"), nil)), "room", "still here")
	for _, s := range streams {
		if got, err := s.NextComment(); err != nil || got != c {
			t.Errorf("%+v, %v", got, err)
		}
	}
	p.Session("asked", nil)
	p.ComeBack()
	ended(t, "asked", streams[0])
}
