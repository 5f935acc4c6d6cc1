package identity

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"barrage/actors"
)

// Roles of users.
const (
	RoleViewer    = "viewer"
	RoleModerator = "moderator"
	RoleAdmin     = "admin"
)

// User is who holds a token.
type User struct {
	ID   string // 1 to actors.MaxUserID bytes of UTF-8 without control characters
	Name string // to be shown, as CleanName makes it
	Role string // one of the roles
}

// newUser makes a user of what a token says, whatever that is.
func newUser(id, name, role string) (User, error) {
	if !ValidID(id) {
		return User{}, invalid("The token's sub must be 1 to %d bytes of text without control characters.", actors.MaxUserID)
	}
	if role != RoleModerator && role != RoleAdmin {
		role = RoleViewer
	}
	return User{ID: id, Name: CleanName(name), Role: role}, nil
}

// ValidID holds for what can be the id of a user.
func ValidID(id string) bool {
	return id != "" && len(id) <= actors.MaxUserID && utf8.ValidString(id) && !strings.ContainsFunc(id, unicode.IsControl)
}

// CleanName makes a name fit to be shown: one line, not too long. One of which
// nothing would be seen is none.
func CleanName(name string) string {
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(name, "\ufffd"))
	name = strings.TrimSpace(name)
	if runes := []rune(name); len(runes) > actors.MaxUserName {
		name = strings.TrimSpace(string(runes[:actors.MaxUserName]))
	}
	if !strings.ContainsFunc(name, visible) {
		return ""
	}
	return name
}

// visible holds for what is seen by itself: not for spaces, format characters,
// and what Unicode has drawn as nothing (a Hangul filler is a letter).
func visible(r rune) bool {
	return !unicode.IsSpace(r) && !unicode.In(r, unicode.Cf, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point)
}
