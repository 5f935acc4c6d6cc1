package balancer

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"text/template"

	"barrage/test/harness"
	"barrage/test/servers"
)

const serviceTemplate = "consul-template/barrage-upstreams.conf.ctmpl"

// instance is a node as Consul has it, and as the template sees it.
type instance struct {
	Address string
	Port    int
}

func instancesOf(t *testing.T, addrs []string) []instance {
	t.Helper()
	var all []instance
	for _, addr := range addrs {
		host, text, _ := strings.Cut(addr, ":")
		port, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, instance{host, port})
	}
	return all
}

// expand does with the template what consul-template does.
func expand(t *testing.T, text string, nodes []instance) string {
	t.Helper()
	tmpl, err := template.New("").Funcs(template.FuncMap{"service": func(name string) ([]instance, error) {
		if name != "barrage-http" {
			return nil, fmt.Errorf("service %q", name)
		}
		return nodes, nil
	}}).Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := tmpl.Execute(&out, nil); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

var (
	comments  = regexp.MustCompile(`(?m)\s*(^|\s)#.*$`)
	upstreams = regexp.MustCompile(`(?s)\n    upstream barrage \{.*?\n    \}.*upstream barrage_any \{.*?\n    \}\n`)
)

// withUpstreamsFrom puts a file in the place of nginx.conf's upstreams.
func withUpstreamsFrom(t *testing.T, file string) swap {
	t.Helper()
	found := upstreams.FindString(render(t, "nginx.conf"))
	if found == "" {
		t.Fatal("nginx.conf has no upstreams")
	}
	return swap{found, "\n    include " + file + ";\n"}
}

// The template makes what nginx.conf has.
func TestTheTemplateIsThatOfNginxsFile(t *testing.T) {
	plain := func(text string) string {
		return strings.Join(strings.Fields(comments.ReplaceAllString(text, "")), " ")
	}
	got := plain(expand(t, render(t, serviceTemplate), instancesOf(t, []string{"10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.3:8080"})))
	if want := plain(upstreams.FindString(render(t, "nginx.conf"))); got != want {
		t.Errorf("the template makes\n%s\nand the file has\n%s", got, want)
	}
}

// Without a node, nginx starts and tells clients to come back.
func TestNginxStartsWithoutANode(t *testing.T) {
	file := write(t, filepath.Join(t.TempDir(), "upstreams.conf"), expand(t, render(t, serviceTemplate), nil))
	f := startNginxWith(t, withUpstreamsFrom(t, file))
	c := f.client(t, "", false)
	open(t, c, "/comments/room/stream", nil)
	if answer := do(t, c, http.MethodPost, "/comments/room", message, nil); answer.Status != http.StatusServiceUnavailable {
		t.Error(answer)
	}
}

// consul is a real one, with DNS.
type consul struct {
	*servers.Consul
	dns string
}

func startConsul(t *testing.T) *consul {
	t.Helper()
	dir := t.TempDir()
	c := &consul{Consul: servers.NewConsul(t, servers.ConsulOptions{Dir: dir})}
	port := servers.ReservedPort(t)
	c.dns = localhost(port)
	// Its tests have no use for DNS.
	file := filepath.Join(dir, "config.json")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var config map[string]any
	if err := json.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	config["ports"].(map[string]any)["dns"] = port
	if text, err = json.Marshal(config); err != nil {
		t.Fatal(err)
	}
	write(t, file, string(text))
	c.Start()
	return c
}

func (c *consul) put(t *testing.T, path string, body any) {
	t.Helper()
	client := &harness.Client{Base: c.URL(), HTTP: c.HTTPClient()}
	if answer := do(t, client, http.MethodPut, path, body, nil); answer.Status != http.StatusOK {
		t.Fatal(answer)
	}
}

func (c *consul) register(t *testing.T, addrs []string) {
	t.Helper()
	for i, n := range instancesOf(t, addrs) {
		c.put(t, "/v1/agent/service/register", map[string]any{
			"ID": fmt.Sprintf("node-%d", i), "Name": "barrage-http", "Address": n.Address, "Port": n.Port,
		})
	}
}

func (c *consul) deregister(t *testing.T, i int) {
	t.Helper()
	c.put(t, fmt.Sprintf("/v1/agent/service/deregister/node-%d", i), nil)
}

// expectAt waits until exactly these nodes get requests of many videos.
func expectAt(t *testing.T, c *harness.Client, nodes []*fake, want ...int) {
	t.Helper()
	eventually(t, func() error {
		for _, n := range nodes {
			n.requests()
		}
		for i := range 40 {
			if answer := do(t, c, http.MethodGet, fmt.Sprintf("/comments/video-%d", i), nil, nil); answer.Status != http.StatusOK {
				return answer
			}
		}
		var got []int
		for i, n := range nodes {
			if n.requests() > 0 {
				got = append(got, i)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			return fmt.Errorf("nodes %v get requests, not %v", got, want)
		}
		return nil
	})
}

func TestHAProxyTakesItsNodesFromConsulsDNS(t *testing.T) {
	find(t, "haproxy")
	c := startConsul(t)
	fakes, addrs := startFakes(t, func(http.ResponseWriter, *http.Request) {})
	c.register(t, addrs)
	f := startHAProxyWith(t, "haproxy.cfg",
		swap{"    server node1 10.0.0.1:8080 # [edit]\n    server node2 10.0.0.2:8080 # [edit]\n    server node3 10.0.0.3:8080 # [edit]\n", ""},
		swap{"# server-template", "server-template"}, swap{"127.0.0.1:8600", c.dns})
	client := f.client(t, "", false)
	expectAt(t, client, fakes, 0, 1, 2)
	c.deregister(t, 1)
	expectAt(t, client, fakes, 0, 2)
	c.register(t, addrs)
	expectAt(t, client, fakes, 0, 1, 2)
}
