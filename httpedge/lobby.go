package httpedge

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"barrage/actors"
	"barrage/actors/wire"
)

// defaultLobbySize is how many live videos a page of the lobby has.
const defaultLobbySize = 20

// Orders of the lobby, and which live videos it shows.
const (
	sortViewers  = "viewers"
	sortComments = "comments"
	sortID       = "id"
)

var lobbyStates = map[string]uint32{stateLive: actors.ListLive, stateEnded: actors.ListEnded, "all": actors.ListAll}

// lobbyQuery is what a client asks for.
type lobbyQuery struct {
	state, sort string
	size        int
	behind      lobbyPlace
}

// lobbyPlace is a live video's place in the lobby's order: by number, the
// highest first, then by id.
type lobbyPlace struct {
	number uint64 // 0 where ids alone make the order
	id     string // "": the place before the first
}

func (p lobbyPlace) String() string { return strconv.FormatUint(p.number, 10) + "-" + p.id }

// parseLobbyPlace reads what String has written.
func parseLobbyPlace(text string) (p lobbyPlace, err error) {
	number, id, _ := strings.Cut(text, "-")
	p.number, err = strconv.ParseUint(number, 10, 64)
	if p.id = id; err != nil || p.String() != text || !actors.ValidLiveVideoID(id) {
		return p, malformed.because("cursor: %.80q is none of the lobby's.", text)
	}
	return p, nil
}

// place gives a live video's place in an order.
func (q *lobbyQuery) place(v *wire.ListedVideo) lobbyPlace {
	p := lobbyPlace{id: v.LiveVideoId}
	switch q.sort {
	case sortViewers:
		p.number = v.Viewers
	case sortComments:
		p.number = v.Comments
	}
	return p
}

type lobbyVideo struct {
	LiveVideoID string            `json:"liveVideoId"`
	State       string            `json:"state"`
	Viewers     uint64            `json:"viewers"`
	Comments    uint64            `json:"comments"`
	Reactions   map[string]uint64 `json:"reactions"`
}

// listVideos answers GET /videos: the lobby.
func (e *Edge) listVideos(ctx *fasthttp.RequestCtx) error {
	reader, err := e.auth.user(ctx)
	if err != nil {
		return err
	}
	if reader == nil && e.config.RequireTokenToRead {
		return unauthorized.because("Reading needs a token here.")
	}
	q, err := readLobbyQuery(ctx)
	if err != nil {
		return err
	}
	if err := e.limitRead(e.client(ctx, reader)); err != nil {
		return err
	}
	page, err := e.lobbyPage(q)
	if err != nil {
		return err
	}
	answerJSON(ctx, fasthttp.StatusOK, page)
	return nil
}

func readLobbyQuery(ctx *fasthttp.RequestCtx) (q lobbyQuery, err error) {
	args := ctx.QueryArgs()
	q = lobbyQuery{state: stateLive, sort: sortViewers}
	if args.Has("state") {
		q.state = string(args.Peek("state"))
	}
	if args.Has("sort") {
		q.sort = string(args.Peek("sort"))
	}
	if _, known := lobbyStates[q.state]; !known {
		return q, malformed.because("state must be live, ended or all.")
	}
	if q.sort != sortViewers && q.sort != sortComments && q.sort != sortID {
		return q, malformed.because("sort must be viewers, comments or id.")
	}
	if q.size, err = queryInt(ctx, "pageSize", 1, maxPageSize, defaultLobbySize); err != nil {
		return q, err
	}
	if cursor := args.Peek("cursor"); len(cursor) > 0 {
		q.behind, err = parseLobbyPlace(string(cursor))
		if err == nil && q.sort == sortID && q.behind.number != 0 {
			err = malformed.because("cursor: %.80q is of another order.", cursor)
		}
	}
	return q, err
}

// lobbyPage puts a page together.
func (e *Edge) lobbyPage(q lobbyQuery) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), readDeadline)
	defer cancel()
	videos, err := e.backend.Node.AllVideos(ctx, &wire.ListVideos{
		States: lobbyStates[q.state], Sort: q.sort, Limit: uint32(q.size + 1), // one more shows whether there is a next page
		AfterId: q.behind.id, AfterNumber: q.behind.number,
	})
	if err != nil {
		return nil, fmt.Errorf("listing the live videos: %w", err)
	}
	answer := struct {
		Videos     []lobbyVideo `json:"videos"`
		NextCursor *string      `json:"nextCursor"`
	}{Videos: []lobbyVideo{}}
	for _, v := range videos[:min(len(videos), q.size)] {
		reactions := v.Reactions
		if reactions == nil {
			reactions = map[string]uint64{}
		}
		answer.Videos = append(answer.Videos, lobbyVideo{
			LiveVideoID: v.LiveVideoId, State: stateOf(v.Ended), Viewers: v.Viewers, Comments: v.Comments, Reactions: reactions,
		})
	}
	if len(videos) > q.size {
		next := q.place(videos[q.size-1]).String()
		answer.NextCursor = &next
	}
	body, err := json.Marshal(answer)
	if err != nil {
		return nil, fmt.Errorf("encoding the lobby: %w", err)
	}
	return body, nil
}
