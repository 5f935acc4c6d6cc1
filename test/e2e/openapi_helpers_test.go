package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"barrage/test/harness"
)

// description is what the node serves at /openapi.yaml.
type description struct {
	*openapi3.T
	// seen are the answers that were validated, like "postComment 201".
	seen map[string]bool
}

func readDescription(t *testing.T, n *harness.Node) *description {
	t.Helper()
	for _, text := range []string{"text/html", "text/javascript", "text/css", "image/svg+xml", "text/event-stream", "application/yaml"} {
		openapi3filter.RegisterBodyDecoder(text, openapi3filter.PlainBodyDecoder)
	}
	answer := do(t, n.Anyone(), http.MethodGet, "/openapi.yaml", nil, nil)
	if answer.Status != http.StatusOK {
		t.Fatal(answer)
	}
	doc, err := openapi3.NewLoader().LoadFromData(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &description{T: doc, seen: map[string]bool{}}
}

// operation finds an operation by its id.
func (d *description) operation(t *testing.T, id string) (method, path string, item *openapi3.PathItem, op *openapi3.Operation) {
	t.Helper()
	for path, item := range d.Paths.Map() {
		for method, op := range item.Operations() {
			if op.OperationID == id {
				return method, path, item, op
			}
		}
	}
	t.Fatalf("there is no operation %s", id)
	return
}

// exchange is a request and what it is to be answered with.
type exchange struct {
	op     string
	status int
	node   *harness.Node
	path   string // with the query; the method is the operation's
	token  string
	body   any
	header http.Header
}

// validate makes a request and checks its answer against the description, and
// if it was taken, the request, too.
func (d *description) validate(t *testing.T, x exchange) *harness.Answer {
	t.Helper()
	method, path, item, op := d.operation(t, x.op)
	body, sent := readerOf(x.body)
	ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, x.node.URL+x.path, body)
	if err != nil {
		t.Fatal(err)
	}
	if x.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if x.token != "" {
		req.Header.Set("Authorization", "Bearer "+x.token)
	}
	for name, values := range x.header {
		req.Header[name] = values
	}
	transport := x.node.Transport()
	transport.DisableCompression = true
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatalf("%s: %v", x.op, err)
	}
	defer res.Body.Close()
	answer := &harness.Answer{Status: res.StatusCode, Header: res.Header}
	endless := strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") || res.StatusCode == http.StatusSwitchingProtocols
	if !endless {
		if answer.Body, err = io.ReadAll(res.Body); err != nil {
			t.Fatalf("%s: %v", x.op, err)
		}
	}
	if res.StatusCode != x.status {
		t.Errorf("%s %s: want %d, got %v", method, x.path, x.status, answer)
		return answer
	}
	d.seen[fmt.Sprint(x.op, " ", x.status)] = true
	if sent != nil {
		req.Body = io.NopCloser(bytes.NewReader(sent))
	}
	input := &openapi3filter.RequestValidationInput{
		Request: req, QueryParams: req.URL.Query(), PathParams: pathParams(path, req.URL.EscapedPath()),
		Route:   &routers.Route{Spec: d.T, Path: path, PathItem: item, Method: method, Operation: op},
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true},
	}
	if x.status < 300 {
		if err := openapi3filter.ValidateRequest(ctx, input); err != nil {
			t.Errorf("%s was taken, and is not described: %v", x.op, err)
		}
	}
	err = openapi3filter.ValidateResponse(ctx, &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: res.StatusCode, Header: res.Header, Options: input.Options,
		Body: io.NopCloser(bytes.NewReader(answer.Body)),
	})
	if err != nil {
		t.Errorf("%s %d: %v\n%.600s", x.op, x.status, err, answer.Body)
	}
	return answer
}

// readerOf gives a body to send, and again to look at.
func readerOf(body any) (io.Reader, []byte) {
	text, ok := body.(string)
	if !ok {
		return http.NoBody, nil
	}
	return strings.NewReader(text), []byte(text)
}

// pathParams gives what stands in a path where its template has names.
func pathParams(template, path string) map[string]string {
	params := map[string]string{}
	names, values := strings.Split(template, "/"), strings.Split(path, "/")
	for i, name := range names {
		if !strings.HasPrefix(name, "{") || i >= len(values) {
			continue
		}
		value := values[i]
		if i == len(names)-1 {
			value = strings.Join(values[i:], "/")
		}
		if unescaped, err := url.PathUnescape(value); err == nil {
			value = unescaped
		}
		params[strings.Trim(name, "{}")] = value
	}
	return params
}

// handshake are the headers that ask for a WebSocket.
func handshake() http.Header {
	return harness.Header("Connection", "Upgrade", "Upgrade", "websocket",
		"Sec-Websocket-Version", "13", "Sec-Websocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
}

// checkEvent checks an event of a stream against the schema for its name.
func (d *description) checkEvent(t *testing.T, event harness.Event) {
	t.Helper()
	if event.Kind != harness.KindEvent {
		return
	}
	schema := "Comment"
	if event.Name != "" {
		schema = strings.ToUpper(event.Name[:1]) + event.Name[1:] + "Event"
	}
	known := d.Components.Schemas[schema]
	if known == nil {
		t.Errorf("the description knows no event %q", event.Name)
		return
	}
	var data any
	if err := json.Unmarshal([]byte(event.Data), &data); err != nil {
		t.Errorf("event %q: %v", event.Name, err)
		return
	}
	if err := known.Value.VisitJSON(data, openapi3.EnableJSONSchema2020()); err != nil {
		t.Errorf("event %q: %v\n%s", event.Name, err, event.Data)
	}
	if event.HasID != (event.Name == "") {
		t.Errorf("event %q: comments have an id, and nothing else has", event.Name)
	}
}
