package schema

import (
	"regexp"
	"strings"
)

// The SQL files name tables without a database, as they are read by people. But
// a pool of connections can't be told to USE one, and what a server runs for
// ON CLUSTER has its own idea of the current one. So the database is put before
// every table of ours.

// A word, a string, a quoted identifier, a comment to the end of the line, or
// any other single character that is no space.
var token = regexp.MustCompile("\\w+|'(?:[^'\\\\]|\\\\.)*'|`[^`]*`|\"[^\"]*\"|--[^\n]*|\\S")

// After these words a name is a table's; after AS it is mostly an alias.
var beforeTable = map[string]bool{"EXISTS": true, "FROM": true, "JOIN": true, "TO": true, "TABLE": true, "INTO": true}

// qualify replaces each of our tables' names by what in answers for it.
func qualify(statement string, ours map[string]bool, in func(table string) string) string {
	var out strings.Builder
	done, before := 0, ""
	for _, at := range token.FindAllStringIndex(statement, -1) {
		word := statement[at[0]:at[1]]
		if beforeTable[strings.ToUpper(before)] && ours[word] {
			out.WriteString(statement[done:at[0]])
			out.WriteString(in(word))
			done = at[1]
		}
		before = word
	}
	out.WriteString(statement[done:])
	return out.String()
}
