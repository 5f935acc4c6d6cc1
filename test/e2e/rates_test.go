package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"barrage/test/harness"
)

const (
	rateLimit       = "RateLimit"
	rateLimitPolicy = "RateLimit-Policy"
)

// Authors see how their limit stands before they meet it.
func TestAnswersToPostsSayHowTheLimitStands(t *testing.T) {
	n := harness.Start(t, harness.Flags("--limits-posts-per-second=0.1", "--limits-posts-burst=2"))
	ann := n.User("ann", "viewer")
	for i, want := range []struct {
		status int
		state  string
	}{{201, `"posts-user";r=1;t=`}, {201, `"posts-user";r=0;t=`}, {429, `"posts-user";r=0;t=`}} {
		answer := do(t, ann, http.MethodPost, "/comments/room", message("hello"), harness.Header("Origin", "https://site.example"))
		if answer.Status != want.status || !strings.HasPrefix(answer.Header.Get(rateLimit), want.state) ||
			answer.Header.Get(rateLimitPolicy) != `"posts-user";q=2;w=20` {
			t.Errorf("post %d: %v, %v", i, answer, answer.Header)
		}
	}
	answer := do(t, n.User("mod", "moderator"), http.MethodPost, "/comments/room", message("hello"), nil)
	if answer.Status != 201 || answer.Header.Get(rateLimit) != "" {
		t.Errorf("a moderator is answered %v, %v", answer, answer.Header)
	}
}

func TestReadsAreLimitedPerAddressUserAndRoom(t *testing.T) {
	for _, row := range []struct {
		flag         string
		first, other string // who reads, and who may nevertheless
		otherRoom    string
	}{
		{"--limits-reads-per-second-per-address=0.1", "", "", ""},
		{"--limits-reads-per-second-per-user=0.1", "ann", "bob", "room"},
		{"--limits-reads-per-second-per-room=0.1", "", "", "other"},
	} {
		n := harness.Start(t, harness.Flags(row.flag))
		known := post(t, n.User("ad", "admin"), "room", "hello")
		client := n.Anyone()
		if row.first != "" {
			client = n.User(row.first, "viewer")
		}
		if answer := do(t, client, http.MethodGet, "/comments/room", nil, nil); answer.Status != 200 {
			t.Errorf("%s: the first page: %v", row.flag, answer)
		}
		for _, path := range []string{"/comments/room", "/comments/room/" + known.ID, "/comments/room/" + known.ID + "/replies", "/videos/room", "/comments/room?since=" + known.ID} {
			answer := do(t, client, http.MethodGet, path, nil, nil)
			expectProblem(t, answer, http.StatusTooManyRequests)
			if answer.Header.Get("Retry-After") == "" || !strings.Contains(answer.Header.Get(rateLimit), ";r=0;") {
				t.Errorf("%s: %s is refused with %v", row.flag, path, answer.Header)
			}
		}
		lobby := http.StatusTooManyRequests
		if strings.HasSuffix(row.flag, "room=0.1") {
			lobby = http.StatusOK // it is of no room
		}
		if answer := do(t, client, http.MethodGet, "/videos", nil, nil); answer.Status != lobby {
			t.Errorf("%s: the lobby: %v", row.flag, answer)
		}
		if row.otherRoom != "" {
			other := n.Anyone()
			if row.other != "" {
				other = n.User(row.other, "viewer")
			}
			if answer := do(t, other, http.MethodGet, "/comments/"+row.otherRoom, nil, nil); answer.Status != 200 {
				t.Errorf("%s: who is not over it: %v", row.flag, answer)
			}
		}
		if answer := do(t, n.User("ad", "admin"), http.MethodGet, "/comments/room", nil, nil); answer.Status != 200 {
			t.Errorf("%s: an admin: %v", row.flag, answer)
		}
	}
}

// An error status would end an EventSource for good.
func TestJoinsOverARateAreToldToComeBack(t *testing.T) {
	for _, row := range []struct{ flag, user, other, otherRoom string }{
		{"--limits-joins-per-second-per-address=0.01", "", "", ""},
		{"--limits-joins-per-second-per-user=0.01", "ann", "bob", "room"},
		{"--limits-joins-per-second-per-room=0.01", "", "", "other"},
	} {
		n := harness.Start(t, harness.Flags(row.flag))
		client := func(user string) *harness.Client {
			if user == "" {
				return n.Anyone()
			}
			return n.User(user, "viewer")
		}
		first := openedStream(t, n, client(row.user), "room", "", nil)
		second := n.Stream(t, client(row.user), "room", "", nil)
		if e, err := second.Next(); err != nil || e.Kind != harness.KindRetry || e.Retry < 90*time.Second {
			t.Errorf("%s: the second stream is told %+v, %v", row.flag, e, err)
		}
		if e, err := second.Next(); err == nil {
			t.Errorf("%s: it goes on with %+v", row.flag, e)
		}
		if row.otherRoom != "" {
			third := openedStream(t, n, client(row.other), row.otherRoom, "", nil)
			mark := post(t, n.User("ad", "admin"), row.otherRoom, "hello")
			if got, err := third.NextComment(); err != nil || got != mark {
				t.Errorf("%s: who is not over it got %+v, %v", row.flag, got, err)
			}
		}
		mark := post(t, n.User("ad", "admin"), "room", "mark")
		for {
			got, err := first.NextComment()
			if err != nil {
				t.Fatalf("%s: who is in: %v", row.flag, err)
			}
			if got == mark {
				break
			}
		}
		refused, err := n.Anyone().Metric(t.Context(), `barrage_streams_refused_total{reason="rate"}`)
		if err != nil || refused != 1 {
			t.Errorf("%s: %v streams are counted as refused, %v", row.flag, refused, err)
		}
	}
}

// Only a listed proxy is believed; otherwise a header would be all it takes to
// be somebody else.
func TestLimitsOfAnAddressHoldWhateverHeadersSay(t *testing.T) {
	const flag = "--limits-posts-per-second-per-address=0.001"
	through := func(n *harness.Node, user, forwarded string) int {
		answer := do(t, n.User(user, "viewer"), http.MethodPost, "/comments/room", message("hello"), harness.Header(
			"X-Forwarded-For", forwarded, "X-Real-Ip", forwarded, "Forwarded", "for="+forwarded))
		return answer.Status
	}
	alone := harness.Start(t, harness.Flags(flag))
	for i := range 3 {
		want := http.StatusTooManyRequests
		if i == 0 {
			want = http.StatusCreated
		}
		if got := through(alone, fmt.Sprint("user", i), fmt.Sprint("192.0.2.", i)); got != want {
			t.Errorf("post %d with a forged address: %d, want %d", i, got, want)
		}
	}
	behind := harness.Start(t, harness.Flags(flag, "--http-trusted-proxies=127.0.0.0/8,10.0.0.0/8"))
	for i, row := range []struct {
		forwarded string
		want      int
	}{
		{"192.0.2.1", 201},
		{"192.0.2.1", 429},
		{"192.0.2.2", 201},
		{"9.9.9.9, 192.0.2.2", 429},  // the client wrote the first
		{"192.0.2.2, 10.0.0.1", 429}, // through two proxies
		{"2001:db8::1", 201},
		{"2001:db8::2", 429}, // one /64
		{"nonsense", 201},    // the proxy itself
		{"more nonsense", 429},
	} {
		if got := through(behind, fmt.Sprint("user", i), row.forwarded); got != row.want {
			t.Errorf("row %d, %s: %d, want %d", i, row.forwarded, got, row.want)
		}
	}
}

func TestClientsThroughAProxyProtocolBalancer(t *testing.T) {
	n := harness.New(t, harness.Flags("--limits-posts-per-second-per-address=0.001", "--http-trusted-proxies=127.0.0.1", "--http-proxy-protocol"))
	n.Launch()
	body := message("hello")
	send := func(header string) string {
		return rawExchange(t, n, header+"POST /comments/room HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"+
			fmt.Sprintf("Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", n.Token("ann", "viewer"), len(body), body))
	}
	eventually(t, func() error { // it serves
		if !strings.Contains(n.Logs(), "msg=serving") {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	for i, row := range []struct{ header, want string }{
		{"PROXY TCP4 192.0.2.1 127.0.0.1 5555 80\r\n", "HTTP/1.1 201"},
		{"PROXY TCP4 192.0.2.1 127.0.0.1 5556 80\r\n", "HTTP/1.1 429"},
		{"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x02\x7f\x00\x00\x01\x15\xb3\x00\x50", "HTTP/1.1 201"}, // 192.0.2.2
		{"PROXY TCP6 2001:db8::1 ::1 5556 80\r\n", "HTTP/1.1 201"},
		{"PROXY UNKNOWN\r\n", "HTTP/1.1 201"},
		{"PROXY UNKNOWN\r\n", "HTTP/1.1 429"},
		{"", ""},
		{"PROXY nonsense\r\n", ""},
	} {
		if got := send(row.header); !strings.HasPrefix(got, row.want) || row.want == "" && got != "" {
			t.Errorf("row %d, %q is answered %.200q", i, row.header, got)
		}
	}
}
