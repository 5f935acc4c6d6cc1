package configs

import (
	"slices"

	"github.com/spf13/pflag"
)

// AddFlags gives flags one flag for each setting, or only for those of the
// given keys. Of all settings, those that are not basic are hidden from help,
// as there are many.
func AddFlags(flags *pflag.FlagSet, keys ...string) {
	for _, s := range settings {
		if len(keys) > 0 && !slices.Contains(keys, s.Key) {
			continue
		}
		flag := flags.VarPF(&flagValue{setting: s, text: s.Default}, s.Flag, "", s.Help)
		flag.Hidden = !s.Basic && len(keys) == 0
		if s.Kind() == "yes/no" {
			flag.NoOptDefVal = "true"
		}
		if s.Default == "false" {
			flag.DefValue = ""
		}
	}
}

// flagValue keeps the text of a flag once it is known to be a good value.
type flagValue struct {
	setting Setting
	text    string
}

func (v *flagValue) String() string { return v.text }

func (v *flagValue) Type() string {
	switch {
	case v.setting.Choices != nil:
		return "word"
	case v.setting.Kind() == "yes/no":
		return "bool"
	default:
		return v.setting.Kind()
	}
}

func (v *flagValue) Set(text string) error {
	if err := v.setting.set(new(Config), text); err != nil {
		return err
	}
	v.text = text
	return nil
}

func keyAndValueOfFlag(f *pflag.Flag) (key string, value any) {
	if v, ok := f.Value.(*flagValue); ok {
		return v.setting.Key, v.text
	}
	return "", nil
}
