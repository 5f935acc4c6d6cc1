package httpedge

import (
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/prometheus/client_golang/prometheus"

	"barrage/actors"
	"barrage/httpedge/web"
)

// The description and the table of routes say the same.
func TestEveryRouteIsDescribedAndEveryDescriptionIsARoute(t *testing.T) {
	description := readDescription(t)
	if err := description.Validate(t.Context()); err != nil {
		t.Fatalf("the description is no OpenAPI: %v", err)
	}
	described := map[string]bool{}
	for path, item := range description.Paths.Map() {
		for method := range item.Operations() {
			described[method+" "+path] = true
		}
	}
	served := servedRoutes(t)
	for route := range served {
		if !described[route] {
			t.Errorf("%s is served, and not described", route)
		}
	}
	for route := range described {
		if !served[route] {
			t.Errorf("%s is described, and not served", route)
		}
	}
}

func readDescription(t *testing.T) *openapi3.T {
	t.Helper()
	asset, ok := web.Lookup("/openapi.yaml")
	if !ok {
		t.Fatal("the description is not served")
	}
	description, err := openapi3.NewLoader().LoadFromData(asset.Body)
	if err != nil {
		t.Fatal(err)
	}
	return description
}

// The pattern says how an id is written; it leaves out that one has 63 bits.
func TestIDsAreDescribedAsTheyAreTaken(t *testing.T) {
	pattern := regexp.MustCompile(readDescription(t).Components.Schemas["Id"].Value.Pattern)
	for _, text := range []string{
		"0", "1", "9", "10", "9223372036854775807", "", "00", "01", "-1", "+1", " 1", "1.0", "1e3", "x", "99999999999999999999", "00000000000000000001",
	} {
		_, err := actors.ParseID(text)
		if described := pattern.MatchString(text); described != (err == nil) {
			t.Errorf("%q is described: %t; taken: %v", text, described, err)
		}
	}
}

// servedRoutes gives the routes that do something, like "GET /healthz".
func servedRoutes(t *testing.T) map[string]bool {
	t.Helper()
	e, err := New(Config{
		Registry: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler), JWTSecret: []byte("secret"), Guest: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.poller.close)
	table := e.routes().List()
	served := map[string]bool{}
	for method, paths := range table {
		for _, path := range paths {
			if strings.HasPrefix(path, "/assets/") {
				path = "/assets/{file}"
			}
			switch {
			case method == http.MethodHead: // every GET has one, which the description says once for all
				continue
			case refusesOnly(method, path):
				continue
			case method == http.MethodGet && path != "/comments/{liveVideoId}/ws" && !slices.Contains(table[http.MethodHead], path) && path != "/assets/{file}":
				t.Errorf("GET %s has no HEAD", path)
			}
			served[method+" "+path] = true
		}
	}
	return served
}

// refusesOnly says whether a route is there to answer 405: paths that look like
// that of a comment, but are not.
func refusesOnly(method, path string) bool {
	last := path[strings.LastIndex(path, "/")+1:]
	only, special := map[string]string{
		"stream": http.MethodGet, "ws": http.MethodGet, "reactions": http.MethodPost,
	}[last]
	return special && strings.HasPrefix(path, "/comments/") && method != only
}
