package actors

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of what a comment is made of, wherever it comes from.
const (
	MaxLiveVideoID = 64  // bytes
	MaxMessage     = 500 // code points
	MaxUserID      = 128 // bytes
	MaxUserName    = 64  // code points; a longer name of a token is cut
)

// ValidLiveVideoID holds for 1 to MaxLiveVideoID letters, digits, - and _.
func ValidLiveVideoID(id string) bool {
	if id == "" || len(id) > MaxLiveVideoID {
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

// CleanMessage gives a comment's text as it is kept. Its error is a sentence
// for whoever wrote it.
func CleanMessage(message string) (string, error) {
	message = strings.TrimSpace(message)
	if message == "" {
		return "", errors.New("message must not be empty")
	}
	if n := utf8.RuneCountInString(message); n > MaxMessage {
		return "", fmt.Errorf("message may have %d characters (Unicode code points), not %d", MaxMessage, n)
	}
	for _, r := range message {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return "", fmt.Errorf("message may not contain the control character U+%04X", r)
		}
	}
	return message, nil
}

// HasLoneSurrogate finds \ud800 to \udfff escapes that stand for no character;
// the decoder puts U+FFFD in their place without a word. text is valid JSON.
func HasLoneSurrogate(text []byte) bool {
	high := false
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || text[i+1] != 'u' {
			if high {
				return true
			}
			if text[i] == '\\' {
				i++ // what is escaped
			}
			continue
		}
		unit, err := strconv.ParseUint(string(text[i+2:i+6]), 16, 16)
		i += 5
		isHigh, isLow := unit&0xfc00 == 0xd800, unit&0xfc00 == 0xdc00
		if err != nil || isLow != high {
			return true
		}
		high = isHigh
	}
	return high
}
