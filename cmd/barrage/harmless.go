package main

import (
	"fmt"
	"strings"
	"unicode"
)

// harmless makes text that others wrote safe to print in a terminal, on one
// line: control characters could move the cursor, and direction overrides
// could make one comment look like another.
func harmless(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return '⏎'
		case r == '\t':
			return ' '
		case isHarmful(r):
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(text, string(unicode.ReplacementChar)))
}

// isHarmful holds for control characters, line separators, and the marks that
// change the direction of text.
func isHarmful(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}

// harmlessJSON escapes the same characters in a JSON text, which stays the
// same JSON: they can only be inside its strings.
func harmlessJSON(text string) string {
	if !strings.ContainsFunc(text, isHarmful) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if isHarmful(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
