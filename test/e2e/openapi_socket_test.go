package e2e

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"barrage/test/harness"
)

// What is said over a WebSocket, by both sides, has the shapes that the
// description gives it.
func TestSocketMessagesAreAsDescribed(t *testing.T) {
	s := newDescribed(t)
	d := readDescription(t, s.node)
	socket, err := s.node.Client(s.ann).Socket(t.Context(), "pinned", "history=1")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	for _, request := range []string{
		`{"type":"post","ref":"a","message":"hello","idempotencyKey":"k"}`,
		`{"type":"post","ref":"b","message":"a reply","parentId":"` + s.pinned + `"}`,
		`{"type":"post","ref":"c","message":"http://hold.example","parentId":null}`,
		`{"type":"post","ref":"d","message":"a forbiddenword"}`,
		`{"type":"react","ref":"e","reaction":"like","commentId":"` + s.pinned + `"}`,
		`{"type":"react","reaction":"like","count":3}`,
	} {
		d.checkShape(t, "SocketRequest", []byte(request))
		if err := socket.Send([]byte(request)); err != nil {
			t.Fatal(err)
		}
	}
	wanted := []string{"retry", "comment", "pin", "viewers", "posted", "posted", "posted", "error", "reacted", "reacted", "held", "reactions"}
	for len(wanted) > 0 {
		text, err := socket.Text()
		if err != nil {
			t.Fatalf("without %q: %v", wanted, err)
		}
		d.checkShape(t, "SocketMessage", text)
		var e harness.SocketEvent
		if err := json.Unmarshal(text, &e); err != nil {
			t.Fatal(err)
		}
		if !slices.Contains([]string{"retry", "comment", "posted", "reacted", "error"}, e.Event) {
			d.checkEvent(t, harness.Event{Kind: harness.KindEvent, Name: e.Event, Data: string(e.Data)})
		}
		if i := slices.Index(wanted, e.Event); i >= 0 {
			wanted = slices.Delete(wanted, i, i+1)
		}
	}
}

// checkShape checks a message against a schema.
func (d *description) checkShape(t *testing.T, schema string, text []byte) {
	t.Helper()
	var data any
	if err := json.Unmarshal(text, &data); err != nil {
		t.Errorf("%v in %s", err, text)
		return
	}
	if err := d.Components.Schemas[schema].Value.VisitJSON(data, openapi3.EnableJSONSchema2020()); err != nil {
		t.Errorf("%s: %v\n%s", schema, err, text)
	}
}
