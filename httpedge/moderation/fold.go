package moderation

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// folded is a text in the form in which it is compared: compatibility
// decomposed (full-width and other look-alikes become plain ones), case folded,
// without accents on Latin, Greek and Cyrillic letters, without characters that
// nobody sees, and with spaces for white space of any kind.
type folded struct {
	runes []rune
	// from and to are, for each rune, where the character that it is of begins
	// and ends in the text, in bytes. A match must begin and end with whole
	// characters.
	from, to []int
}

func fold(text string) folded {
	if f, ok := foldASCII(text); ok {
		return f
	}
	var f folded
	caser := cases.Fold()
	var it norm.Iter
	it.InitString(norm.NFKD, text)
	for !it.Done() {
		from := it.Pos()
		part := caser.Bytes(it.Next())
		to := it.Pos()
		for _, r := range string(norm.NFKD.Bytes(part)) { // folding may compose
			if unseen(r) {
				continue
			}
			if unicode.IsSpace(r) {
				r = ' '
			}
			f.runes, f.from, f.to = append(f.runes, r), append(f.from, from), append(f.to, to)
		}
	}
	return f
}

// foldASCII does it for plain text, five times as fast.
func foldASCII(text string) (folded, bool) {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return folded{}, false
		}
	}
	f := folded{make([]rune, len(text)), make([]int, len(text)), make([]int, len(text))}
	for i := range len(text) {
		c := text[i]
		switch {
		case c >= 'A' && c <= 'Z':
			c += 'a' - 'A'
		case c >= '\t' && c <= '\r':
			c = ' '
		}
		f.runes[i], f.from[i], f.to[i] = rune(c), i, i+1
	}
	return f, true
}

// unseen says whether a character is left out of comparisons: a combining
// accent of alphabets that are read without them, or one that has no glyph.
func unseen(r rune) bool {
	const firstAccent, lastAccent = 0x0300, 0x036f // block "Combining Diacritical Marks"
	return r >= firstAccent && r <= lastAccent ||
		unicode.Is(unicode.Cf, r) || // zero-width joiners, direction marks, soft hyphens
		unicode.Is(unicode.Variation_Selector, r) ||
		r == 0x115f || r == 0x1160 || r == 0x3164 // Hangul fillers
}

// separates says whether a character stands between words: all but letters,
// marks and digits.
func separates(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) }

// unspaced are the scripts in which words are not set apart.
var unspaced = []*unicode.RangeTable{
	unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Bopomofo, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar, unicode.Tibetan,
}

// joined is the text without what stands between its characters: 敏-感 is 敏感.
func (f folded) joined() folded {
	var j folded
	for i, r := range f.runes {
		if !separates(r) {
			j.runes, j.from, j.to = append(j.runes, r), append(j.from, f.from[i]), append(j.to, f.to[i])
		}
	}
	return j
}
