package bench

import (
	"errors"
	"testing"
)

func TestParseAnswer(t *testing.T) {
	for _, c := range []struct {
		name, text string
		status     int // 0: not complete
		body       string
		err        error
	}{
		{"with a length", "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok", 201, "ok", nil},
		{"chunked", "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n1\r\n!\r\n0\r\n\r\n", 201, "ok!", nil},
		{"no content", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", nil},
		{"half a head", "HTTP/1.1 201 Cre", 0, "", nil},
		{"half a body", "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\no", 0, "", nil},
		{"half a chunk", "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", 0, "", nil},
		{"no length", "HTTP/1.1 201 Created\r\n\r\nok", 0, "", errAnswer},
		{"no HTTP", "SSH-2.0\r\n\r\n", 0, "", errHead},
		{"bad chunk", "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 0, "", errChunk},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, err := parseAnswer([]byte(c.text))
			if !errors.Is(err, c.err) {
				t.Fatalf("parseAnswer: %v, want %v", err, c.err)
			}
			if (a == nil) != (c.status == 0) {
				t.Fatalf("parseAnswer = %+v, want status %d", a, c.status)
			}
			if a != nil && (a.head.status != c.status || string(a.body) != c.body) {
				t.Errorf("status %d, body %q", a.head.status, a.body)
			}
		})
	}
}

func TestCommentID(t *testing.T) {
	if id, err := commentID([]byte(`{"id":"42","message":"\"id\":\"43\""}`)); id != 42 || err != nil {
		t.Errorf("commentID = %d, %v", id, err)
	}
	for _, bad := range []string{`{}`, `{"id":42}`, `{"id":"x"}`, `{"id":"0"}`} {
		if _, err := commentID([]byte(bad)); !errors.Is(err, errAnswer) {
			t.Errorf("commentID(%s): %v, want errAnswer", bad, err)
		}
	}
}
