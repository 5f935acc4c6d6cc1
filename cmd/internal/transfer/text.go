package transfer

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"barrage/actors"
)

func checkUser(id, name string) error {
	switch {
	case id == "":
		return errors.New("userId is empty or missing")
	case len(id) > actors.MaxUserID:
		return fmt.Errorf("userId has more than %d bytes", actors.MaxUserID)
	case strings.ContainsFunc(id, unicode.IsControl):
		return errors.New("userId has a control character")
	case utf8.RuneCountInString(name) > actors.MaxUserName:
		return fmt.Errorf("userName has more than %d characters", actors.MaxUserName)
	case strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }):
		return errors.New("userName has a control character or more than one line")
	}
	return nil
}
