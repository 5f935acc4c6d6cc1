package bench

import (
	"bytes"
	"math/rand/v2"
	"strconv"
	"unicode/utf8"
)

// A comment's message begins with a stamp, "tag-seq-time ", all in base 36, and
// goes on with chat-like text. The tag is the run's own, seq counts the
// comments of the run from 0, and time is when the comment was due to be sent,
// in Unix nanoseconds.
const (
	tagLen         = 6
	minMessageSize = 32 // a stamp of 6+1+6+1+13+1 characters and a little text
	fillers        = 1024
)

// phrases make texts that compress about as well as a live chat.
var phrases = []string{
	"hello everyone", "first time here", "what a goal", "lol", "no way", "here we go again",
	"which song is this", "love from Berlin", "that was close", "can you hear the rain",
	"haha", "good evening", "the sound is gone", "again please", "so beautiful", "who is winning",
	"前方高能", "哈哈哈哈", "233333", "晚上好", "太好听了", "加油", "主播好厉害", "这是什么歌",
	"泪目", "名场面", "来了来了", "笑死我了", "OMG", "GG", "nice one", "just arrived",
}

// composer writes message texts of a fixed length. It is used by one goroutine.
type composer struct {
	tag  string
	size int
	pool [][]byte // texts of size characters, to cut to length behind the stamp
}

func newComposer(tag string, size int, seed uint64) *composer {
	rng := rand.New(rand.NewPCG(seed, 0x62617272616765)) //nolint:gosec // texts, not secrets
	c := &composer{tag: tag, size: size, pool: make([][]byte, fillers)}
	for i := range c.pool {
		var text []byte
		for utf8.RuneCount(text) < size {
			text = append(text, phrases[rng.IntN(len(phrases))]...)
			text = append(text, ' ')
		}
		c.pool[i] = text
	}
	return c
}

// newTag is a run's tag: six characters that another run hardly shares.
func newTag() string {
	const low, span = 36 * 36 * 36 * 36 * 36, 35 * 36 * 36 * 36 * 36 * 36
	return strconv.FormatInt(low+rand.Int64N(span), 36) //nolint:gosec // a label, not a secret
}

// appendMessage appends the text of comment seq, which is due at time at. The
// text holds no character that JSON would escape, and neither begins nor ends
// with a space.
func (c *composer) appendMessage(dst []byte, seq int, at int64) []byte {
	start := len(dst)
	dst = append(dst, c.tag...)
	dst = append(dst, '-')
	dst = strconv.AppendInt(dst, int64(seq), 36)
	dst = append(dst, '-')
	dst = strconv.AppendInt(dst, at, 36)
	dst = append(dst, ' ')
	text := c.pool[seq%len(c.pool)]
	for left := c.size - (len(dst) - start); left > 0; left-- {
		_, n := utf8.DecodeRune(text)
		dst = append(dst, text[:n]...)
		text = text[n:]
	}
	if dst[len(dst)-1] == ' ' {
		dst[len(dst)-1] = '.'
	}
	return dst
}

// parseMessage finds the stamp again. It fails on comments of other origin.
func parseMessage(tag string, text []byte) (seq int, at int64, ok bool) {
	stamp, _, found := bytes.Cut(text, []byte(" "))
	if !found || len(stamp) < tagLen+4 || string(stamp[:tagLen]) != tag || stamp[tagLen] != '-' {
		return 0, 0, false
	}
	a, b, found := bytes.Cut(stamp[tagLen+1:], []byte("-"))
	if !found {
		return 0, 0, false
	}
	n, err := strconv.ParseUint(string(a), 36, 40)
	if err != nil {
		return 0, 0, false
	}
	t, err := strconv.ParseUint(string(b), 36, 63)
	if err != nil {
		return 0, 0, false
	}
	return int(n), int64(t), true
}
