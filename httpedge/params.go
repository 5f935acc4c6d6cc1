package httpedge

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"barrage/actors"
)

// Limits of the contract.
const (
	maxLiveVideoID    = 64
	maxMessage        = 500 // code points
	maxIdempotencyKey = 128
	maxPageSize       = 100
	defaultPageSize   = 10
)

// liveVideoID gives the live video that a path names.
func liveVideoID(ctx *fasthttp.RequestCtx) (string, error) {
	id, _ := ctx.UserValue("liveVideoId").(string)
	if !validLiveVideoID(id) {
		return "", malformed.because("A live video id is 1 to %d letters, digits, - and _.", maxLiveVideoID)
	}
	return id, nil
}

func validLiveVideoID(id string) bool {
	if id == "" || len(id) > maxLiveVideoID {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// commentID gives the comment that a path names.
func commentID(ctx *fasthttp.RequestCtx) (uint64, error) {
	text, _ := ctx.UserValue("commentId").(string)
	id, err := actors.ParseID(text)
	if err != nil {
		return 0, malformed.because("The path names no comment: %v.", err)
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
	if charset, given := params["charset"]; given && !strings.EqualFold(charset, "utf-8") {
		return notJSON.because("JSON is UTF-8, not %.40q.", charset)
	}
	if len(ctx.Request.Header.Peek("Content-Encoding")) > 0 {
		return notJSON.because("A body with a Content-Encoding is not taken.")
	}
	body := ctx.PostBody()
	if len(body) > e.config.MaxBodyBytes {
		return tooLarge.because("A body may have %d bytes.", e.config.MaxBodyBytes)
	}
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
	if hasLoneSurrogate(body) {
		return malformed.because("The body has half of a surrogate pair.")
	}
	return nil
}

// jsonError says what is wrong without Go's names.
func jsonError(err error) string {
	var mistyped *json.UnmarshalTypeError
	if errors.As(err, &mistyped) {
		if mistyped.Field == "" {
			return "it must be an object"
		}
		return mistyped.Field + " may not be a " + mistyped.Value
	}
	return err.Error()
}

// hasLoneSurrogate finds \ud800 to \udfff escapes that stand for no character;
// the decoder puts U+FFFD in their place without a word.
func hasLoneSurrogate(body []byte) bool {
	high := false
	for i := 0; i < len(body); i++ {
		if body[i] != '\\' {
			if high {
				return true
			}
			continue
		}
		i++ // what is escaped; the body is valid JSON
		if body[i] != 'u' {
			if high {
				return true
			}
			continue
		}
		unit, err := strconv.ParseUint(string(body[i+1:i+5]), 16, 16)
		i += 4
		isHigh, isLow := unit&0xfc00 == 0xd800, unit&0xfc00 == 0xdc00
		if err != nil || isLow != high {
			return true
		}
		high = isHigh
	}
	return high
}

// cleanMessage gives a comment's text as it is kept, or says what is wrong
// with it.
func cleanMessage(message string) (string, error) {
	message = strings.TrimSpace(message)
	if message == "" {
		return "", malformed.because("message must not be empty.")
	}
	if n := utf8.RuneCountInString(message); n > maxMessage {
		return "", malformed.because("message may have %d characters (Unicode code points), not %d.", maxMessage, n)
	}
	for _, r := range message {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return "", malformed.because("message may not contain the control character U+%04X.", r)
		}
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
	visible := func(c rune) bool { return c >= 0x21 && c <= 0x7e }
	if len(values) > 1 || key == "" || len(key) > maxIdempotencyKey || strings.ContainsFunc(key, func(c rune) bool { return !visible(c) }) {
		return "", malformed.because("Idempotency-Key must be one value of 1 to %d visible ASCII characters.", maxIdempotencyKey)
	}
	return key, nil
}
