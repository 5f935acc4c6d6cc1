package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// member is a fake node: what GET /cluster says of it, and what it says itself.
type fakeMember struct {
	name, node  string // node: the answer of GET /cluster/node; "": it is gone
	unreachable bool   // for the first one
}

// fakeCluster answers the URL of the first member.
func fakeCluster(t *testing.T, fresh bool, members ...fakeMember) string {
	t.Helper()
	var list []string
	mux := http.NewServeMux()
	asked := httptest.NewServer(mux)
	t.Cleanup(asked.Close)
	for i, m := range members {
		handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, m.node) })
		addr := asked.Listener.Addr().String()
		if i == 0 {
			mux.Handle("GET /cluster/node", handler)
		} else {
			server := httptest.NewServer(handler)
			t.Cleanup(server.Close)
			addr = server.Listener.Addr().String()
			if m.node == "" {
				server.Close()
			}
		}
		list = append(list, fmt.Sprintf(`{"id":"m%d","name":%s,"address":"127.0.0.1:700%d","http":%q,"weight":1,"self":%t,"reachable":%t}`,
			i, quoted(m.name), i, addr, i == 0, !m.unreachable))
	}
	mux.HandleFunc("GET /cluster", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"members":[%s],"revision":17,"fresh":%t}`, strings.Join(list, ","), fresh)
	})
	return asked.URL
}

func quoted(text string) string {
	quotes, err := json.Marshal(text)
	if err != nil {
		panic(err) // every string is JSON
	}
	return string(quotes)
}

func nodeAnswer(name string, missing int) string {
	return fmt.Sprintf(`{"name":%s,"version":"v1","state":"ready","rooms":1200,"viewers":1234567,"replicas":{"wanted":2,"missing":%d},
		"journal":{"records":7,"bytes":1536},"clickhouse":{"lagRecords":3,"lagSeconds":0.42},"uptimeSeconds":3661}`, quoted(name), missing)
}

func TestClusterStatusShowsEveryMember(t *testing.T) {
	alone := `{"name":"弹幕-2","version":"v1","state":"draining","rooms":0,"viewers":1,"replicas":{"wanted":2,"missing":0},"journal":{"records":0,"bytes":0},"clickhouse":null,"uptimeSeconds":5}`
	url := fakeCluster(t, true, fakeMember{name: "node-1", node: nodeAnswer("node-1", 0)}, fakeMember{name: "弹幕-2", node: alone})
	out, errOut, status := command(t, "", "cluster", "status", "--url", url)
	if status != 0 || errOut != "" {
		t.Errorf("status %d, %q", status, errOut)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 5 {
		t.Fatalf("got\n%s", out)
	}
	for i, want := range []string{
		"NODE HTTP STATE ROOMS VIEWERS REPLICAS JOURNAL CLICKHOUSE UP VERSION",
		"node-1 " + url[len("http://"):] + " ready 1,200 1,234,567 2 7 (1.5 KiB) 3 behind, 400ms 1h1m1s v1",
		"弹幕-2 * draining 0 1 2 0 (0 B) - 5s v1", "",
		"2 members, 1,200 rooms, 1,234,568 viewers; revision 17, as " + url + " says.",
	} {
		got := strings.Join(strings.Fields(lines[i]), " ")
		before, after, star := strings.Cut(want, "*")
		if got != want && (!star || !strings.HasPrefix(got, before) || !strings.HasSuffix(got, after)) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
	// Columns begin at one place, whatever the script.
	head, row := []rune(lines[0]), []rune(lines[2])
	if at := strings.Index(lines[0], "STATE"); string(head[at:at+5]) != "STATE" || string(row[at:at+8]) != "draining" {
		t.Errorf("crooked:\n%s", out)
	}
}

func TestClusterStatusSaysWhatIsWrong(t *testing.T) {
	for _, test := range []struct {
		name    string
		fresh   bool
		members []fakeMember
		want    string
	}{
		{"gone", true, []fakeMember{{name: "a", node: nodeAnswer("a", 0)}, {name: "b"}}, "b does not answer at 127.0.0.1:"},
		{"unreachable", true, []fakeMember{{name: "a", node: nodeAnswer("a", 0)}, {name: "b", node: nodeAnswer("b", 0), unreachable: true}}, "b can't be reached by a"},
		{"one copy", true, []fakeMember{{name: "a", node: nodeAnswer("a", 1)}}, "the copies of a are not taken by 1 node"},
		{"stale", false, []fakeMember{{name: "a", node: nodeAnswer("a", 0)}}, "a has not heard from Consul lately"},
		{"someone else", true, []fakeMember{{name: "a", node: nodeAnswer("z", 0)}}, "answers z: see cluster.advertise_http"},
		{"nonsense", true, []fakeMember{{name: "a", node: "<html>"}}, "a does not answer at 127.0.0.1:"},
		{"nobody", true, nil, "knows no members"},
		{"harmful", false, []fakeMember{{name: "a\x1b[2J", node: nodeAnswer("a", 0)}}, "\ufffd[2J has not heard"},
	} {
		t.Run(test.name, func(t *testing.T) {
			url := fakeCluster(t, test.fresh, test.members...)
			out, errOut, status := command(t, "", "cluster", "status", "--url", url)
			if status != 1 || !strings.Contains(errOut, "something is wrong with the cluster: 1 problem") && test.name != "harmful" ||
				!strings.Contains(out, "WRONG: ") || !strings.Contains(out, test.want) || strings.Contains(out, "\x1b") {
				t.Errorf("status %d, %q\n%s", status, errOut, out)
			}
			jsonOut, _, jsonStatus := command(t, "", "cluster", "status", "--json", "--url", url)
			var read clusterStatus
			if err := json.Unmarshal([]byte(jsonOut), &read); err != nil || jsonStatus != 1 || len(read.Problems) == 0 || len(read.Members) != len(test.members) {
				t.Errorf("%v: status %d\n%s", err, jsonStatus, jsonOut)
			}
		})
	}
}

func TestClusterStatusAsksTheNextNode(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := "http://" + listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	url := fakeCluster(t, true, fakeMember{name: "a", node: nodeAnswer("a", 0)})
	if out, errOut, status := command(t, "", "cluster", "status", "--url", gone, "--url", url); status != 0 || !strings.Contains(out, url) {
		t.Errorf("status %d, %q, %q", status, out, errOut)
	}
	if _, errOut, status := command(t, "", "cluster", "status", "--url", gone); status != 1 || !strings.Contains(errOut, "connection refused") {
		t.Errorf("status %d, %q", status, errOut)
	}
	old := httptest.NewServer(http.NotFoundHandler())
	defer old.Close()
	if _, errOut, status := command(t, "", "cluster", "status", "--url", old.URL); status != 1 || !strings.Contains(errOut, "knows nothing of a cluster") {
		t.Errorf("status %d, %q", status, errOut)
	}
	for _, args := range [][]string{{"--url", "ftp://x"}, {"more"}} {
		if _, _, status := command(t, "", append([]string{"cluster", "status"}, args...)...); status != 2 {
			t.Errorf("%v: status %d", args, status)
		}
	}
}
