package configs

import (
	"errors"
	"fmt"
	"os"
	"sort"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
)

// Load reads the settings: defaults, then the YAML file, then the environment
// (a list like os.Environ), then the flags that were given; the later wins.
// flags may be nil and configFile empty. A key or BARRAGE_ variable that no
// setting has is an error, and so is a value that can't be; all that is wrong
// is said at once.
func Load(flags *pflag.FlagSet, configFile string, environ []string) (*Config, error) {
	ko := koanf.New(".")
	if configFile != "" {
		if err := loadFile(ko, configFile); err != nil {
			return nil, err
		}
	}
	if err := loadEnv(ko, environ); err != nil {
		return nil, err
	}
	if flags != nil {
		given := posflag.ProviderWithFlag(flags, ".", nil, keyAndValueOfFlag)
		if err := ko.Load(given, nil); err != nil {
			return nil, fmt.Errorf("flags: %w", err)
		}
	}
	cfg := Default()
	for _, s := range settings {
		if !ko.Exists(s.Key) {
			continue
		}
		if err := s.set(cfg, ko.Get(s.Key)); err != nil {
			return nil, err
		}
	}
	return cfg, cfg.Validate()
}

func loadFile(ko *koanf.Koanf, path string) error {
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("configuration file: %w", err)
	}
	ko2 := koanf.New(".")
	if err := ko2.Load(file.Provider(path), yaml.Parser()); err != nil {
		return fmt.Errorf("configuration file %s: %w", path, err)
	}
	var errs []error
	scratch := new(Config)
	values := ko2.All()
	for _, key := range sortedKeys(values) {
		s, known := settingOf(key)
		switch {
		case known:
			if err := s.set(scratch, values[key]); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", path, err))
			}
		case isSection(key) && isEmpty(values[key]):
			ko2.Delete(key)
		case isSection(key):
			errs = append(errs, fmt.Errorf("%s: %s: is a section, it takes keys below it and no value", path, key))
		default:
			errs = append(errs, fmt.Errorf("%s: %s: no such setting%s", path, key, didYouMean(key)))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return ko.Merge(ko2)
}

// isEmpty holds for a section whose keys are all commented out.
func isEmpty(value any) bool {
	m, isMap := value.(map[string]any)
	return value == nil || isMap && len(m) == 0
}

func isSection(key string) bool {
	for _, s := range settings {
		if s.Section() == key {
			return true
		}
	}
	return false
}

func sortedKeys(values map[string]any) []string {
	keys := make([]string, 0, len(values))
	for key := range values {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}

// didYouMean finds settings whose last part is the same, like a key that was
// written one level too high.
func didYouMean(key string) string {
	last := key[strings.LastIndex(key, ".")+1:]
	for _, s := range settings {
		if s.Key == last || strings.HasSuffix(s.Key, "."+last) {
			return fmt.Sprintf(" (there is %s)", s.Key)
		}
	}
	return ""
}

func loadEnv(ko *koanf.Koanf, environ []string) error {
	byEnv := make(map[string]Setting, len(settings))
	for _, s := range settings {
		byEnv[s.Env()] = s
	}
	var errs []error
	scratch := new(Config)
	provider := env.Provider(".", env.Opt{
		Prefix:      EnvPrefix,
		EnvironFunc: func() []string { return environ },
		TransformFunc: func(name, value string) (string, any) {
			s, known := byEnv[name]
			if !known {
				if !isForeign(name) {
					errs = append(errs, fmt.Errorf("environment: %s: no such setting", name))
				}
				return "", nil
			}
			if err := s.set(scratch, value); err != nil {
				errs = append(errs, fmt.Errorf("environment %s: %w", name, err))
			}
			return s.Key, value
		},
	})
	if err := ko.Load(provider, nil); err != nil {
		return fmt.Errorf("environment: %w", err)
	}
	return errors.Join(errs...)
}

// Environment variables that are no settings of a node.
const (
	EnvConfig = EnvPrefix + "CONFIG" // the YAML file to read
	EnvURL    = EnvPrefix + "URL"    // the node that tail and post talk to
	EnvToken  = EnvPrefix + "TOKEN"  // the token that tail and post send
)

// isForeign holds for variables that the client commands read, and for those
// that Kubernetes sets in every pod beside a Service named "barrage".
func isForeign(name string) bool {
	switch name {
	case EnvConfig, EnvURL, EnvToken, EnvPrefix + "FAULT", EnvPrefix + "SERVICE_HOST", EnvPrefix + "PORT":
		return true
	}
	return strings.HasPrefix(name, EnvPrefix+"SERVICE_PORT") || strings.HasPrefix(name, EnvPrefix+"PORT_")
}
