package moderation

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

const list = `# what is looked for
darn
Straße
c++
bad phrase
heck*
*gate
敏感
バカ
🖕

[mask]
wet   paint
*poop*
傻瓜
crêpe
[hold]
maybe
可能
`

func parsed(t testing.TB, text string) *Words {
	t.Helper()
	w, err := ParseWords(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestWordsAreFoundHoweverTheyAreWritten(t *testing.T) {
	w := parsed(t, list)
	for _, c := range []struct {
		message string
		want    Action
		masked  string // "": as it was
	}{
		{"a fine day", Allow, ""},
		{"darn", Block, ""},
		{"well, DARN!", Block, ""},
		{"ＤＡＲＮ", Block, ""},                   // full-width
		{"d\u200ba\u00adr\u2060n", Block, ""}, // with what nobody sees
		{"dárn", Block, ""},
		{"da\u0301rn", Block, ""},
		{"darning", Allow, ""}, // another word
		{"undarn", Allow, ""},
		{"darn弹幕", Block, ""}, // scripts end words
		{"STRASSE", Block, ""},
		{"I like c++ a lot", Block, ""},
		{"c+", Allow, ""},
		{"a bad phrase here", Block, ""},
		{"a bad, phrase", Allow, ""},
		{"bad  phrase", Block, ""},
		{"bad\nphrase", Block, ""},
		{"bad \t\n phrase", Block, ""},
		{"bad\u00a0phrase", Block, ""},
		{"bad\u2003\u3000 phrase", Block, ""},
		{"bad \u200b phrase", Block, ""}, // with what nobody sees between spaces
		{"bad\u2028phrase", Block, ""},
		{"badphrase", Allow, ""},
		{"bad  phrases", Allow, ""},
		{"bad  ", Allow, ""},
		{"heckler", Block, ""},
		{"check", Allow, ""},
		{"watergate", Block, ""},
		{"gates", Allow, ""},
		{"这是敏感的", Block, ""},
		{"敏-感", Block, ""},
		{"敏 。 感", Block, ""},
		{"感敏", Allow, ""},
		{"ﾊﾞｶ", Block, ""}, // half-width kana
		{"go 🖕 go", Block, ""},
		{"so wet  \n paint!", Mask, "so ************!"},
		{"wet\u00a0paint", Mask, "*********"},
		{" wet paint ", Mask, " ********* "},
		{"poopers", Mask, "****ers"},
		{"PoOp!", Mask, "****!"},
		{"你是傻瓜吗", Mask, "你是**吗"},
		{"傻·瓜", Mask, "***"},
		{"a cre\u0302pe", Mask, "a ******"},
		{"maybe", Hold, ""},
		{"可能吧", Hold, ""},
		{"maybe poop", Hold, "maybe ****"},
		{"maybe darn", Block, ""},
		{"", Allow, ""},
		{"弹幕 👩‍👩‍👧 ok", Allow, ""},
	} {
		v := w.Check(c.message)
		if c.masked == "" {
			c.masked = c.message
		}
		if v.Action != c.want || v.Message != c.masked || (v.Reason == "") != (v.Action == Allow) {
			t.Errorf("%q: %v %q %q, want %v %q", c.message, v.Action, v.Message, v.Reason, c.want, c.masked)
		}
	}
}

func TestAListSaysWhichOfItsLinesIsNoGood(t *testing.T) {
	long := strings.Repeat("x", MaxWord)
	for text, want := range map[string]string{
		"a\n[ban]\n":             "line 2",
		"[allow]\nx":             "line 1",
		"***":                    "line 1",
		"\u200b":                 "line 1",
		"*\u00a0*":               "line 1",
		"a\n\xff":                "line 2",
		long + "x":               "line 1",
		strings.Repeat("x", 1e4): "reading the list",
		"， 。 弹*":                 "", // punctuation is passed over
		long:                     "",
		"\ufeffdarn\r\n\r\n":     "",
	} {
		_, err := ParseWords(strings.NewReader(text))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
	if w := parsed(t, "wet\u00a0\u2003paint\n"); w.Check("wet paint").Action != Block {
		t.Error("white space of other kinds is no space in a list")
	}
	if w := parsed(t, "\ufeffdarn\r\n"); w.Len() != 1 || w.Check("darn").Action != Block {
		t.Error("a byte order mark and carriage returns are no part of words")
	}
}

func TestAListMayHaveSoManyWords(t *testing.T) {
	var b strings.Builder
	for i := range MaxWords {
		fmt.Fprintf(&b, "word%d\n", i)
	}
	if w := parsed(t, b.String()); w.Len() != MaxWords || w.Check("say word99999 now").Action != Block {
		t.Errorf("%d words", w.Len())
	}
	b.WriteString("more")
	if _, err := ParseWords(strings.NewReader(b.String())); err == nil {
		t.Error("one more is too many")
	}
}

// FuzzWords: whatever the list and the text, what is masked has as many
// characters as before, and is valid.
func FuzzWords(f *testing.F) {
	f.Add(list, "你是傻瓜吗 poop")
	f.Add("[mask]\n각\n가\n", "가각")
	f.Add("[mask]\nﬃ\n", "oﬃce ﬃ")
	f.Add("[mask]\na  ι\n", "a \u037a a\u00a0 \nι")
	f.Add("[mask]\n*a*", "a\u0301\u0301ª")
	f.Fuzz(func(t *testing.T, list, text string) {
		w, err := ParseWords(strings.NewReader(list))
		if err != nil || !utf8.ValidString(text) {
			return
		}
		v := w.Check(text)
		if utf8.RuneCountInString(v.Message) != utf8.RuneCountInString(text) || !utf8.ValidString(v.Message) {
			t.Errorf("%q became %q", text, v.Message)
		}
		if v.Action == Allow && v.Message != text {
			t.Errorf("%q is allowed as %q", text, v.Message)
		}
	})
}

// A syllable is not found within another one that begins with it.
func TestMatchesAreWholeCharacters(t *testing.T) {
	w := parsed(t, "*가*\n")
	if w.Check("각").Action != Allow || w.Check("나가요").Action != Block {
		t.Error("a part of a syllable was taken for the whole")
	}
}

func BenchmarkWords(b *testing.B) {
	var text strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&text, "bad%d\n坏%d词\n", i, i)
	}
	w := parsed(b, text.String())
	for name, message := range map[string]string{
		"short": "what a goal! 弹幕", "longest": strings.Repeat("坏 bad", 83),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				w.Check(message)
			}
		})
	}
}
