package httpedge

import (
	"encoding/json"
	"slices"
	"strconv"
)

// What is known of a comment besides its own JSON is put in before the closing
// brace of that: the JSON itself is made once, and shared.

// spliced appends an object's JSON with more members, each written by one of
// the functions with its leading comma.
func spliced(to, object []byte, members ...func([]byte) []byte) []byte {
	to = append(to, object[:len(object)-1]...)
	for _, member := range members {
		to = member(to)
	}
	return append(to, '}')
}

// counts writes a member whose value maps names to numbers, in the names'
// order; nothing if there are none.
func counts(name string, totals map[string]uint64) func([]byte) []byte {
	return func(to []byte) []byte {
		if len(totals) == 0 {
			return to
		}
		names := make([]string, 0, len(totals))
		for n := range totals {
			names = append(names, n)
		}
		slices.Sort(names)
		to = append(append(append(to, `,"`...), name...), `":{`...)
		for i, n := range names {
			if i > 0 {
				to = append(to, ',')
			}
			to = append(appendJSONText(to, n), ':')
			to = strconv.AppendUint(to, totals[n], 10)
		}
		return append(to, '}')
	}
}

// number writes a member that is a number; nothing for 0.
func number(name string, n uint64) func([]byte) []byte {
	return func(to []byte) []byte {
		if n == 0 {
			return to
		}
		return strconv.AppendUint(append(append(append(to, `,"`...), name...), `":`...), n, 10)
	}
}

// text writes a member that is a text; nothing for an empty one.
func text(name, value string) func([]byte) []byte {
	return func(to []byte) []byte {
		if value == "" {
			return to
		}
		return appendJSONText(append(append(append(to, `,"`...), name...), `":`...), value)
	}
}

// appendJSONText appends a text as JSON.
func appendJSONText(to []byte, s string) []byte {
	encoded, err := json.Marshal(s)
	if err != nil { // texts always encode
		panic(err)
	}
	return append(to, encoded...)
}
