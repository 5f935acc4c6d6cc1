package identity

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"barrage/actors"
)

var errNoUnicode = errors.New("text that is no Unicode")

// readExactly reads an object's members of these names, and no others. Names
// of claims are case-sensitive (RFC 7519, section 10.1.1), where encoding/json
// takes a Role for a role; and it makes one text of all that is no Unicode, so
// that two users could be one.
func readExactly(object []byte, into any, names ...string) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(object, &all); err != nil {
		return fmt.Errorf("reading claims: %w", err)
	}
	maps.DeleteFunc(all, func(name string, _ json.RawMessage) bool { return !slices.Contains(names, name) })
	for _, value := range all {
		if !utf8.Valid(value) || actors.HasLoneSurrogate(value) {
			return errNoUnicode
		}
	}
	exact, err := json.Marshal(all)
	if err != nil {
		return fmt.Errorf("reading claims: %w", err)
	}
	if err := json.Unmarshal(exact, into); err != nil {
		return fmt.Errorf("reading claims: %w", err)
	}
	return nil
}
