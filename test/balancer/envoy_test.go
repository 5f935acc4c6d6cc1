package balancer

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/knadh/koanf/parsers/yaml"
)

// at follows keys and indices into a YAML document.
func at(t *testing.T, value any, path ...any) any {
	t.Helper()
	for i, step := range path {
		var found bool
		switch step := step.(type) {
		case string:
			var m map[string]any
			if m, found = value.(map[string]any); found {
				value, found = m[step]
			}
		case int:
			var list []any
			if list, found = value.([]any); found && step < len(list) {
				value = list[step]
			}
		}
		if !found {
			t.Fatalf("envoy.yaml has nothing at %v", path[:i+1])
		}
	}
	return value
}

// No Envoy can be had here: this looks whether the parts are there.
func TestEnvoysFileHasItsParts(t *testing.T) {
	document, err := yaml.Parser().Unmarshal([]byte(render(t, "envoy.yaml")))
	if err != nil {
		t.Fatal(err)
	}
	cluster := at(t, document, "static_resources", "clusters", 0)
	chain := at(t, document, "static_resources", "listeners", 0, "filter_chains", 0)
	manager := at(t, chain, "filters", 0, "typed_config")
	for _, test := range []struct {
		got  any
		want string
	}{
		{at(t, cluster, "lb_policy"), "RING_HASH"},
		{at(t, cluster, "health_checks", 0, "http_health_check", "path"), "/readyz"},
		{len(at(t, cluster, "load_assignment", "endpoints", 0, "lb_endpoints").([]any)), "3"},
		{at(t, chain, "transport_socket", "typed_config", "common_tls_context", "alpn_protocols"), "[h2 http/1.1]"},
		{at(t, manager, "http_filters", 0, "name"), "envoy.filters.http.router"},
		{at(t, manager, "local_reply_config", "mappers", 0, "status_code"), "200"},
	} {
		if fmt.Sprint(test.got) != test.want {
			t.Errorf("got %v, want %s", test.got, test.want)
		}
	}

	// Every route has a hash and leads to the cluster, but what isn't for
	// everybody; streams have no end; only what may be is sent twice.
	routes := at(t, manager, "route_config", "virtual_hosts", 0, "routes").([]any)
	kinds := map[string]int{}
	for _, r := range routes {
		m := r.(map[string]any)
		if m["direct_response"] != nil {
			kinds["refused"]++
			continue
		}
		route := at(t, r, "route")
		if at(t, route, "cluster") != at(t, cluster, "name") || len(at(t, route, "hash_policy").([]any)) == 0 {
			t.Errorf("it leads nowhere: %v", r)
		}
		text := fmt.Sprint(r)
		switch {
		case strings.Contains(text, "upgrade_type:websocket"):
			kinds["socket"]++
			if at(t, route, "timeout") != "0s" {
				t.Errorf("a WebSocket has an end: %v", r)
			}
		case strings.Contains(text, "name:wait"):
			kinds["poll"]++
			for _, limit := range []string{"timeout", "idle_timeout"} {
				if got := at(t, route, limit); got != "75s" {
					t.Errorf("%s of a poll is %v", limit, got)
				}
			}
		case at(t, route, "timeout") == "0s":
			kinds["stream"]++
			if strings.Contains(text, "503") {
				t.Errorf("a stream is tried again: %v", r)
			}
		case strings.Contains(text, "POST"):
			kinds["post"]++
			if got := at(t, route, "retry_policy", "retry_on"); got != "connect-failure" {
				t.Errorf("a post without a key is sent twice on %v", got)
			}
		default:
			kinds["rest"]++
		}
	}
	if got := fmt.Sprint(kinds); got != "map[poll:1 post:1 refused:1 rest:1 socket:1 stream:3]" {
		t.Errorf("routes are %s", got)
	}

	rewrite := at(t, routes[len(routes)-1], "route", "hash_policy", 0, "header", "regex_rewrite")
	pattern := regexp.MustCompile(at(t, rewrite, "pattern", "regex").(string)) // RE2, as Envoy's
	if at(t, rewrite, "substitution") != `\1` {
		t.Error("the video is not what is kept of a path")
	}
	for _, path := range []string{"/comments/my-show", "/comments/my-show/stream?history=5", "/videos/my-show?x", "/comments/my-show/17/replies", "/comments/my-show/ws?history=5"} {
		if got := pattern.ReplaceAllString(path, "${1}"); got != "my-show" {
			t.Errorf("%s is hashed as %q", path, got)
		}
	}
}
