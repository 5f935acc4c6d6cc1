package moderation

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of a word list.
const (
	MaxWords      = 100_000
	MaxWord       = 64       // code points, as they are compared
	MaxListBytes  = 16 << 20 // of the file
	mostLineBytes = 4096
)

// Words is a list of words and what becomes of texts that have them. It never
// changes.
//
// A word is found whole: "ass" is not in "class". With an asterisk at an end it
// goes on there: "ass*" is in "assert". A word of a script that sets no spaces
// (Chinese, Japanese, Thai and others) is found anywhere, also with punctuation
// or spaces between its characters. Between the words of a phrase there may be
// any white space. Case, accents, full-width forms and
// characters that nobody sees make no difference.
type Words struct {
	n int
	// spaced are found in the text as it is, others in the joined text.
	spaced, others trie
}

// trie is a node of a tree of words, by their characters.
type trie struct {
	next map[rune]*trie
	ends []wordEnd // of the words that end here; few
}

type wordEnd struct {
	action Action
	// The word may go on in front of it, or behind.
	openFront, openBack bool
}

// ParseWords reads a list: a word or phrase on each line. A line like [hold]
// begins the words that hold a comment; [mask] and [block] likewise, and block
// is what a list begins with. Lines that begin with # and empty ones mean
// nothing.
func ParseWords(r io.Reader) (*Words, error) {
	w := &Words{}
	lines := bufio.NewScanner(io.LimitReader(r, MaxListBytes+1))
	lines.Buffer(make([]byte, 0, 1024), mostLineBytes)
	action, read := Block, 0
	for number := 1; lines.Scan(); number++ {
		if read += len(lines.Bytes()) + 1; read > MaxListBytes {
			return nil, fmt.Errorf("the list may have %d bytes", MaxListBytes)
		}
		line := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\ufeff"))
		var err error
		switch {
		case line == "", strings.HasPrefix(line, "#"):
		case !utf8.ValidString(line):
			err = errors.New("not valid UTF-8")
		case strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]"):
			if action, err = ParseAction(line[1 : len(line)-1]); err == nil && action == Allow {
				err = errors.New("a list says what to mask, hold or block")
			}
		default:
			err = w.add(line, action)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading the list: %w", err)
	}
	return w, nil
}

// Len is the number of words.
func (w *Words) Len() int { return w.n }

func (w *Words) add(line string, action Action) error {
	end := wordEnd{action: action, openFront: strings.HasPrefix(line, "*"), openBack: strings.HasSuffix(line, "*")}
	f := fold(strings.Trim(line, "* \t"))
	root, runes := &w.spaced, []rune(strings.Join(strings.Fields(string(f.runes)), " "))
	if isUnspaced(runes) {
		root, runes = &w.others, f.joined().runes
	}
	switch {
	case len(runes) == 0:
		return fmt.Errorf("%.32q has no letter or sign to look for", line)
	case len(runes) > MaxWord:
		return fmt.Errorf("a word may have %d characters, not %d", MaxWord, len(runes))
	case w.n == MaxWords:
		return fmt.Errorf("the list may have %d words", MaxWords)
	}
	w.n++
	at := root
	for _, r := range runes {
		if at.next[r] == nil {
			if at.next == nil {
				at.next = map[rune]*trie{}
			}
			at.next[r] = &trie{}
		}
		at = at.next[r]
	}
	at.ends = append(at.ends, end)
	return nil
}

// isUnspaced says whether a word is of a script that sets no spaces.
func isUnspaced(word []rune) bool {
	for _, r := range word {
		if unicode.In(r, unspaced...) {
			return true
		}
	}
	return false
}

// found is a word in a text: what becomes of it, and where it is, in bytes.
type found struct {
	action   Action
	from, to int
}

// find gives all words that are in a text. Its cost is bounded by the text's
// characters times MaxWord.
func (w *Words) find(text string) []found {
	f := fold(text)
	all := w.spaced.find(f, false, nil)
	if w.others.next != nil {
		all = w.others.find(f.joined(), true, all)
	}
	return all
}

func (t *trie) find(f folded, anywhere bool, all []found) []found {
	for start := range f.runes {
		if start > 0 && f.from[start-1] == f.from[start] {
			continue // within a character
		}
		at := t
		for i := start; i < len(f.runes); i++ {
			if i > start && f.runes[i] == ' ' && f.runes[i-1] == ' ' {
				continue // a run of white space is one space in a word
			}
			if at = at.next[f.runes[i]]; at == nil {
				break
			}
			if i+1 < len(f.runes) && f.from[i+1] == f.from[i] {
				continue // within a character
			}
			for _, end := range at.ends {
				if anywhere || (end.openFront || f.edge(start)) && (end.openBack || f.edge(i+1)) {
					all = append(all, found{end.action, f.from[start], f.to[i]})
				}
			}
		}
	}
	return all
}

// edge says whether a word may begin or end in front of a rune: unless there
// are letters or digits of one word on both sides.
func (f folded) edge(i int) bool {
	if i == 0 || i == len(f.runes) {
		return true
	}
	before, behind := f.runes[i-1], f.runes[i]
	return separates(before) || separates(behind) || unicode.In(before, unspaced...) != unicode.In(behind, unspaced...)
}

// Check gives the verdict of a list on a message.
func (w *Words) Check(message string) Verdict {
	v := Verdict{Message: message}
	all := w.find(message)
	for _, f := range all {
		if f.action > v.Action {
			v.Action, v.Reason = f.action, ReasonWordList
		}
	}
	if len(all) > 0 {
		v.Message = mask(message, all)
	}
	return v
}

// mask puts an asterisk in the place of each character of words to be masked.
func mask(message string, all []found) string {
	hidden := make([]bool, len(message))
	masked := false
	for _, f := range all {
		if f.action == Mask {
			masked = true
			for i := f.from; i < f.to; i++ {
				hidden[i] = true
			}
		}
	}
	if !masked {
		return message
	}
	var b strings.Builder
	for i, r := range message {
		if hidden[i] {
			b.WriteByte('*')
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
