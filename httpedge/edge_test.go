package httpedge

import (
	"fmt"
	"io"
	"testing"
)

// answerTo sends a request as it is written and gives what is answered.
func answerTo(t *testing.T, address, request string) answer {
	t.Helper()
	conn := dial(t, address)
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	return answerOf(t, conn)
}

func TestAFormIsNotJSONWhateverIsInIt(t *testing.T) {
	edge, address := newTestEdge(t, nil)
	token := "Authorization: Bearer " + edge.bearer(t, "ann") + "\r\n"
	for _, body := range []string{"", "x", "--b\r\nContent-Disposition: form-data; name=\"message\"\r\n\r\nhi\r\n--b--\r\n"} {
		request := func(headers string) string {
			return fmt.Sprintf("POST /comments/v HTTP/1.1\r\nHost: x\r\n%sContent-Type: multipart/form-data; boundary=b\r\nContent-Length: %d\r\n\r\n%s",
				headers, len(body), body)
		}
		if a := answerTo(t, address, request(token)); a.status != 415 {
			t.Errorf("%q: %d %s", body, a.status, a.body)
		}
		if a := answerTo(t, address, request("")); a.status != 401 {
			t.Errorf("%q without a token: %d %s", body, a.status, a.body)
		}
	}
}
