package httpedge

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"barrage/actors"
)

// Limits of the contract.
const (
	maxIdempotencyKey = 128
	maxPageSize       = 100
	defaultPageSize   = 10
)

// pathPart gives what a part of a path stands for: %61 is an a (RFC 3986, section
// 2.3).
func pathPart(ctx *fasthttp.RequestCtx, part string) (string, error) {
	encoded, _ := ctx.UserValue(part).(string)
	return url.PathUnescape(encoded)
}

// liveVideoID gives the live video that a path names.
func liveVideoID(ctx *fasthttp.RequestCtx) (string, error) {
	id, err := pathPart(ctx, "liveVideoId")
	if err != nil || !actors.ValidLiveVideoID(id) {
		return "", malformed.because("A live video id is 1 to %d letters, digits, - and _.", actors.MaxLiveVideoID)
	}
	return id, nil
}

// commentID gives the comment that a path names.
func commentID(ctx *fasthttp.RequestCtx) (uint64, error) { return pathID(ctx, "commentId") }

// pathID gives the comment, one that waits perhaps, that a part of a path names.
func pathID(ctx *fasthttp.RequestCtx, part string) (id uint64, err error) {
	text, err := pathPart(ctx, part)
	if err == nil {
		id, err = actors.ParseID(text)
	}
	if err != nil {
		return 0, malformed.because("The path names no comment: %v.", err)
	}
	if id == 0 { // to owners and stores it means any
		return 0, notFound.because("There is no such comment.")
	}
	return id, nil
}

// queryID gives the comment id that a parameter holds, 0 if it is absent.
func queryID(ctx *fasthttp.RequestCtx, name string) (id uint64, given bool, err error) {
	if !ctx.QueryArgs().Has(name) {
		return 0, false, nil
	}
	id, err = actors.ParseID(string(ctx.QueryArgs().Peek(name)))
	if err != nil {
		return 0, false, malformed.because("%s: %v.", name, err)
	}
	return id, true, nil
}

// queryInt gives the whole number that a parameter holds, if it is in bounds.
func queryInt(ctx *fasthttp.RequestCtx, name string, least, most, fallback int) (int, error) {
	if !ctx.QueryArgs().Has(name) {
		return fallback, nil
	}
	text := string(ctx.QueryArgs().Peek(name))
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most || text != strconv.Itoa(n) {
		return 0, malformed.because("%s must be a whole number from %d to %d.", name, least, most)
	}
	return n, nil
}

// body reads a request's JSON object into a struct.
func (e *Edge) body(ctx *fasthttp.RequestCtx, into any) error {
	mediaType, params, err := mime.ParseMediaType(string(ctx.Request.Header.ContentType()))
	if err != nil || mediaType != "application/json" {
		return notJSON.because("Send the body as Content-Type: application/json.")
	}
	// Both are names of UTF-8 (WHATWG Encoding, section 4.2).
	if charset, given := params["charset"]; given && !slices.Contains([]string{"utf-8", "utf8"}, strings.ToLower(charset)) {
		return notJSON.because("JSON is UTF-8, not %.40q.", charset)
	}
	if len(ctx.Request.Header.Peek("Content-Encoding")) > 0 {
		return notJSON.because("A body with a Content-Encoding is not taken.")
	}
	body := ctx.PostBody()
	if len(body) > e.config.MaxBodyBytes {
		return tooLarge.because("A body may have %d bytes.", e.config.MaxBodyBytes)
	}
	return decodeObject(body, into)
}

// decodeObject reads one JSON object into a struct.
func decodeObject(body []byte, into any) error {
	if !utf8.Valid(body) {
		return malformed.because("The body is not valid UTF-8.")
	}
	if trimmed := bytes.TrimLeft(body, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' {
		return malformed.because("The body must be a JSON object.")
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	if err := decoder.Decode(into); err != nil {
		return malformed.because("The body is not the JSON that is expected here: %v.", jsonError(err))
	}
	if _, err := decoder.Token(); err != io.EOF { // as documented
		return malformed.because("The body has more than one JSON value.")
	}
	if actors.HasLoneSurrogate(body) {
		return malformed.because("The body has half of a surrogate pair.")
	}
	return nil
}

// jsonError says what is wrong without Go's names. Those of embedded structs
// stand before that of a member, with a dot.
func jsonError(err error) string {
	var mistyped *json.UnmarshalTypeError
	if errors.As(err, &mistyped) {
		if mistyped.Field == "" {
			return "it must be an object"
		}
		return mistyped.Field[strings.LastIndexByte(mistyped.Field, '.')+1:] + " may not be a " + mistyped.Value
	}
	return err.Error()
}

// cleanMessage gives a comment's text as it is kept, or says what is wrong
// with it.
func cleanMessage(message string) (string, error) {
	message, err := actors.CleanMessage(message)
	if err != nil {
		return "", malformed.because("%v.", err)
	}
	return message, nil
}

// idempotencyKey gives a request's key, empty if it has none.
func idempotencyKey(ctx *fasthttp.RequestCtx) (string, error) {
	values := ctx.Request.Header.PeekAll("Idempotency-Key")
	if len(values) == 0 {
		return "", nil
	}
	key := string(values[0])
	if len(values) > 1 || !validKey(key) {
		return "", malformed.because("Idempotency-Key must be one value of 1 to %d visible ASCII characters.", maxIdempotencyKey)
	}
	return key, nil
}

func validKey(key string) bool {
	visible := func(c rune) bool { return c >= 0x21 && c <= 0x7e }
	return key != "" && len(key) <= maxIdempotencyKey && !strings.ContainsFunc(key, func(c rune) bool { return !visible(c) })
}
