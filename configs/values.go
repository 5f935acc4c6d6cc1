package configs

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kind names what a setting's value is: text, yes/no, number, rate, size,
// duration or list.
func (s Setting) Kind() string {
	switch s.field(new(Config)).(type) {
	case *bool:
		return "yes/no"
	case *int:
		return "number"
	case *float64:
		return "rate"
	case *int64:
		return "size"
	case *time.Duration:
		return "duration"
	case *[]string:
		return "list"
	default:
		return "text"
	}
}

// set reads raw (a string, or what YAML made of it) into the setting's field.
// Errors begin with the key.
func (s Setting) set(cfg *Config, raw any) error {
	if raw == nil {
		return fmt.Errorf("%s: has no value", s.Key)
	}
	var err error
	switch field := s.field(cfg).(type) {
	case *string:
		err = s.setText(field, raw)
	case *bool:
		err = setSwitch(field, raw)
	case *int:
		err = setCount(field, raw)
	case *float64:
		err = setRate(field, raw)
	case *int64:
		err = setSize(field, raw)
	case *time.Duration:
		err = setDuration(field, raw)
	case *[]string:
		err = setList(field, raw)
	}
	if err == nil {
		err = s.checkMin(cfg)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s.Key, err)
	}
	return nil
}

func (s Setting) setText(field *string, raw any) error {
	text, ok := raw.(string)
	if !ok {
		return s.wrong(raw, "text (put it in quotes)")
	}
	if s.Choices != nil && !slices.Contains(s.Choices, text) {
		return s.wrong(raw, "one of "+strings.Join(s.Choices, ", "))
	}
	*field = text
	return nil
}

// wrong keeps a secret out of its error.
func (s Setting) wrong(raw any, want string) error {
	if s.Secret {
		return fmt.Errorf("is not %s", want)
	}
	return notA(raw, want)
}

func notA(raw any, want string) error {
	if text, ok := raw.(string); ok {
		return fmt.Errorf("%q is not %s", text, want)
	}
	return fmt.Errorf("%v is not %s", raw, want)
}

func setSwitch(field *bool, raw any) error {
	switch v := raw.(type) {
	case bool:
		*field = v
		return nil
	case string:
		if b, err := strconv.ParseBool(v); err == nil {
			*field = b
			return nil
		}
	}
	return notA(raw, "true or false")
}

func setCount(field *int, raw any) error {
	switch v := raw.(type) {
	case int:
		*field = v
		return nil
	case string:
		if n, err := strconv.Atoi(v); err == nil {
			*field = n
			return nil
		}
	}
	return notA(raw, "a whole number")
}

func setRate(field *float64, raw any) error {
	var rate float64
	switch v := raw.(type) {
	case int:
		rate = float64(v)
	case float64:
		rate = v
	case string:
		var err error
		if rate, err = strconv.ParseFloat(v, 64); err != nil {
			return notA(raw, "a number")
		}
	default:
		return notA(raw, "a number")
	}
	if math.IsNaN(rate) || math.IsInf(rate, 0) {
		return notA(raw, "a finite number")
	}
	*field = rate
	return nil
}

const sizeForms = "a size in bytes (write it like 65536, 64KiB or 8MiB)"

var sizeUnits = []struct {
	suffix string
	bytes  int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"B", 1}}

func setSize(field *int64, raw any) error {
	switch v := raw.(type) {
	case int:
		*field = int64(v)
		return nil
	case string:
		digits, unit := v, int64(1)
		for _, u := range sizeUnits {
			if rest, found := strings.CutSuffix(v, u.suffix); found {
				digits, unit = strings.TrimSpace(rest), u.bytes
				break
			}
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		if err == nil && n <= math.MaxInt64/unit && n >= math.MinInt64/unit {
			*field = n * unit
			return nil
		}
	}
	return notA(raw, sizeForms)
}

const durationForms = "a duration (write it like 500ms, 15s or 10m)"

func setDuration(field *time.Duration, raw any) error {
	switch v := raw.(type) {
	case string:
		if d, err := time.ParseDuration(v); err == nil {
			*field = d
			return nil
		}
	case int:
		if v == 0 {
			*field = 0
			return nil
		}
	}
	return notA(raw, durationForms)
}

// setList takes a YAML list of texts, or texts separated by commas.
func setList(field *[]string, raw any) error {
	var list []string
	switch v := raw.(type) {
	case string:
		for item := range strings.SplitSeq(v, ",") {
			if item = strings.TrimSpace(item); item != "" {
				list = append(list, item)
			}
		}
	case []any:
		for _, item := range v {
			text, ok := item.(string)
			if !ok {
				return notA(item, "text (put it in quotes)")
			}
			list = append(list, text)
		}
	default:
		return notA(raw, "a list")
	}
	*field = list
	return nil
}

func (s Setting) checkMin(cfg *Config) error {
	below := func(value, least string) error {
		return fmt.Errorf("%s is too small, the least is %s", value, least)
	}
	switch field := s.field(cfg).(type) {
	case *int:
		if float64(*field) < s.min {
			return below(strconv.Itoa(*field), strconv.Itoa(int(s.min)))
		}
	case *float64:
		if *field < s.min {
			return below(fmt.Sprint(*field), fmt.Sprint(s.min))
		}
	case *int64:
		if float64(*field) < s.min {
			return below(strconv.FormatInt(*field, 10), strconv.Itoa(int(s.min)))
		}
	case *time.Duration:
		least := time.Duration(s.min * float64(time.Second))
		if *field < least {
			return below(field.String(), least.String())
		}
	}
	return nil
}
