package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"barrage/test/harness"
)

// What each role may do, in one table: a status for each of who, in the order
// of roleNames. 0: like the one before.
var roleNames = []string{"anonymous", "viewer", "author", "muted", "moderator", "admin"}

// operation is something that somebody does in a room. Its path and body may
// have {room}, {comment} (one of the author's, new for each try), {user}
// (somebody new for each try).
type operation struct {
	method, path, body string
	want               []int
}

var operations = []operation{
	{"GET", "/comments/{room}", "", []int{200}},
	{"GET", "/comments/{room}/{comment}", "", []int{200}},
	{"GET", "/comments/{room}/{comment}/replies", "", []int{200}},
	{"GET", "/videos/{room}", "", []int{200}},
	{"GET", "/videos", "", []int{200}},
	{"HEAD", "/comments/{room}/stream", "", []int{200}},
	{"POST", "/comments/{room}", `{"message":"by {user}"}`, []int{401, 201, 201, 403, 201, 201}},
	{"POST", "/comments/{room}", `{"message":"by {user}","parentId":"{comment}"}`, []int{401, 201, 201, 403, 201, 201}},
	{"POST", "/comments/{room}/reactions", `{"type":"like"}`, []int{401, 202}},
	{"POST", "/comments/{room}/reactions", `{"type":"like","commentId":"{comment}"}`, []int{401, 202}},
	{"DELETE", "/comments/{room}/{comment}", "", []int{401, 403, 204, 403, 204, 204}},
	{"PUT", "/videos/{room}", `{"slowModeSeconds":0}`, []int{401, 403, 403, 403, 403, 200}},
	{"PUT", "/videos/{room}", `{"pinnedCommentId":"{comment}"}`, []int{401, 403, 403, 403, 403, 200}},
	{"PUT", "/videos/{room}", `{"state":"live"}`, []int{401, 403, 403, 403, 403, 200}},
	{"PUT", "/videos/{room}/mutes/{user}", `{"seconds":500}`, []int{401, 403, 403, 403, 200, 200}},
	{"DELETE", "/videos/{room}/mutes/{user}", "", []int{401, 403, 403, 403, 204, 204}},
	{"GET", "/videos/{room}/mutes", "", []int{401, 403, 403, 403, 200, 200}},
	{"GET", "/videos/{room}/audit", "", []int{401, 403, 403, 403, 200, 200}},
	{"GET", "/videos/{room}/held", "", []int{401, 200}},
	// Nothing waits with this id: who may ask is told so.
	{"POST", "/videos/{room}/held/7/approve", "", []int{401, 403, 403, 403, 404, 404}},
	{"POST", "/videos/{room}/held/7/reject", "", []int{401, 403, 403, 403, 404, 404}},
}

func roles(t *testing.T, a *arena) {
	room := a.room(t, "roles")
	who := map[string]*somebody{
		"anonymous": a.anyone(), "viewer": a.user("vi", "viewer"), "author": a.user("ann", "viewer"),
		"muted": a.user("mute", "viewer"), "moderator": a.user("mo", "moderator"), "admin": a.user("ad", "admin"),
	}
	if err := who["moderator"].next().Mute(t.Context(), room, "mute", 0); err != nil {
		t.Fatal(err)
	}
	tries := 0
	for _, op := range operations {
		for i, name := range roleNames {
			want := op.want[min(i, len(op.want)-1)]
			tries++
			comment := "1"
			if strings.Contains(op.path+op.body, "{comment}") {
				comment = who["author"].post(t, room, fmt.Sprint("comment ", tries)).ID
			}
			fill := strings.NewReplacer("{room}", room, "{comment}", comment, "{user}", fmt.Sprint("user", tries))
			var body any
			if op.body != "" {
				body = fill.Replace(op.body)
			}
			answer := who[name].do(t, op.method, fill.Replace(op.path), body)
			if answer.Status != want {
				t.Errorf("%s %s %s by %s: %v, want %d", op.method, op.path, op.body, name, answer, want)
			}
			if strings.Contains(op.path, "{comment}") && op.method == "DELETE" {
				gone := who["admin"].do(t, "GET", fill.Replace(op.path), nil).Status == http.StatusNotFound
				if gone != (want == http.StatusNoContent) {
					t.Errorf("deleted by %s: %v", name, gone)
				}
			}
		}
	}
	if muted, err := who["admin"].next().Mutes(t.Context(), room); err != nil || len(muted) != 3 { // by moderator and admin
		t.Errorf("muted are %+v, %v", muted, err)
	}
}

// roomPaths are the paths of rooms and the methods that they take.
var roomPaths = map[string]string{
	"/comments/{room}/reactions":    "POST",
	"/videos":                       "GET HEAD",
	"/videos/{room}":                "GET HEAD PUT",
	"/videos/{room}/mutes":          "GET HEAD",
	"/videos/{room}/mutes/ann":      "PUT DELETE",
	"/videos/{room}/held":           "GET HEAD",
	"/videos/{room}/held/7/approve": "POST",
	"/videos/{room}/held/7/reject":  "POST",
	"/videos/{room}/audit":          "GET HEAD",
}

func roomMethods(t *testing.T, a *arena) {
	admin := a.user("ad", "admin")
	// A live video may have the name of a path's part.
	for _, room := range []string{a.room(t, "methods"), "held", "mutes", "audit", "reactions", "stream"} {
		for path, methods := range roomPaths {
			path = strings.ReplaceAll(path, "{room}", room)
			allowed := strings.Fields(methods)
			for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
				answer := admin.do(t, method, path, nil)
				if slices.Contains(allowed, method) {
					if answer.Status == http.StatusMethodNotAllowed || answer.Status == http.StatusNotFound && !strings.Contains(path, "/held/7/") {
						t.Errorf("%s %s: %v", method, path, answer)
					}
					continue
				}
				if answer.Status != http.StatusMethodNotAllowed {
					t.Errorf("%s %s: %v", method, path, answer)
				}
				got := strings.FieldsFunc(answer.Header.Get("Allow"), func(r rune) bool { return r == ',' || r == ' ' })
				for _, m := range allowed {
					if !slices.Contains(got, m) {
						t.Errorf("%s %s: Allow is %v and lacks %s", method, path, got, m)
					}
				}
				if slices.Contains(got, method) {
					t.Errorf("%s %s: Allow is %v", method, path, got)
				}
			}
		}
		for _, path := range []string{"/videos/" + room + "/", "/videos/" + room + "/nothing", "/videos/" + room + "/mutes/", "/videos/" + room + "/held/7", "/videos/" + room + "/mutes/a/b"} {
			if answer := admin.do(t, "GET", path, nil); answer.Status != http.StatusNotFound && answer.Status != http.StatusMethodNotAllowed {
				t.Errorf("GET %s: %v", path, answer)
			}
		}
		expectStatus(t, admin.do(t, "POST", "/comments/"+room, `{"message":"in `+room+`"}`), http.StatusCreated, nil)
	}
	for _, path := range []string{"/videos/a.b", "/videos/a.b/mutes", "/videos/a.b/held", "/videos/a.b/audit", "/videos/" + strings.Repeat("x", 65)} {
		expectProblem(t, admin.do(t, "GET", path, nil), http.StatusBadRequest)
	}
	expectProblem(t, admin.do(t, "PUT", "/videos/a.b", `{}`), http.StatusBadRequest)
	for id, want := range map[string]int{
		"x": http.StatusBadRequest, "0": http.StatusNotFound, "-1": http.StatusBadRequest, "01": http.StatusBadRequest,
		"9223372036854775808": http.StatusBadRequest,
	} {
		for _, act := range []string{"approve", "reject"} {
			expectProblem(t, admin.do(t, "POST", "/videos/room/held/"+id+"/"+act, nil), want)
		}
	}
	var v harness.Video
	expectStatus(t, admin.do(t, "GET", "/videos/held", nil), http.StatusOK, &v)
	if v.LiveVideoID != "held" {
		t.Errorf("got %+v", v)
	}
}
