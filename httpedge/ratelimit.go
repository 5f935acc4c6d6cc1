package httpedge

import (
	"math"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"
)

// Limits are told in the fields of the IETF's draft "RateLimit header fields
// for HTTP" (draft-ietf-httpapi-ratelimit-headers-10): lists of structured
// fields (RFC 9651) with an item for each limit.
//
//	RateLimit-Policy: "posts-user";q=30;w=3
//	RateLimit: "posts-user";r=29;t=1
//
// q is how many there may be at once, w in how many seconds as many come
// again, r how many are left, t in how many seconds there is more.
const (
	rateLimitField       = "RateLimit"
	rateLimitPolicyField = "RateLimit-Policy"
)

// policy is what the fields say of buckets that doesn't change.
func (b *buckets) policy(name string) string {
	window := seconds(time.Duration(b.burst) * b.interval)
	return strconv.Quote(name) + ";q=" + strconv.FormatInt(b.burst, 10) + ";w=" + strconv.FormatInt(max(window, 1), 10)
}

// rateLimitItem is what RateLimit says of a bucket.
func rateLimitItem(name string, s standing) string {
	return strconv.Quote(name) + ";r=" + strconv.FormatInt(max(s.left, 0), 10) + ";t=" + strconv.FormatInt(seconds(s.wait), 10)
}

// addItem appends an item to a field that is a list.
func addItem(h *fasthttp.ResponseHeader, field, item string) {
	if before := h.Peek(field); len(before) > 0 {
		item = string(before) + ", " + item
	}
	h.Set(field, item)
}

func seconds(d time.Duration) int64 { return int64(math.Ceil(d.Seconds())) }
