package main

import (
	"encoding/json"
	"testing"
)

func TestTextOfOthersCantCommandTheTerminal(t *testing.T) {
	for text, want := range map[string]string{
		"plain 弹幕 👩‍👩‍👧":      "plain 弹幕 👩‍👩‍👧",
		"two\nlines\tand":     "two⏎lines and",
		"\x1b[2Jgone\x07\r":   "�[2Jgone��",
		"\u009b31mred\x7f":    "�31mred�",
		"\u202eabc\u2066":     "�abc�",
		"bad \xff utf-8":      "bad � utf-8",
		"line\u2028separator": "line�separator",
	} {
		if got := harmless(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

func TestJSONStaysTheSameJSON(t *testing.T) {
	for _, text := range []string{"plain 弹幕", "\u009b31m\x7f\u202e\u2028"} {
		safe := harmlessJSON(`"` + text + `"`)
		var got string
		if err := json.Unmarshal([]byte(safe), &got); err != nil || got != text {
			t.Errorf("%q became %s: %q, %v", text, safe, got, err)
		}
		for _, r := range safe {
			if isHarmful(r) {
				t.Errorf("%U is left in %s", r, safe)
			}
		}
	}
}
