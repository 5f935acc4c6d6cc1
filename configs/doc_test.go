package configs

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

//go:generate go test -run TestConfigurationPageIsUpToDate -update .

var update = flag.Bool("update", false, "write docs/configuration.md anew")

const pageHead = `# Configuration

A node works without any setting. To change one, use whichever of these suits;
a later one wins over an earlier:

1. the default in the table below,
2. a YAML file, named by ` + "`--config`" + ` or ` + "`BARRAGE_CONFIG`" + `,
3. an environment variable,
4. a flag of ` + "`barrage serve`" + `.

In the file a key's part before the dot is a section:

` + "```yaml" + `
data: /var/lib/barrage
stream:
  heartbeat: 20s
limits:
  posts_per_second: 5
` + "```" + `

` + "`configs/laptop.yaml`" + ` (what ` + "`make run`" + ` uses) and ` + "`configs/production.yaml`" + ` are examples.
` + "`barrage settings`" + ` prints this table in a terminal.

How values are written:

| kind | examples |
| --- | --- |
| text | ` + "`info`, `./data`" + ` |
| yes/no | ` + "`true`, `false`" + ` |
| number, rate | ` + "`30`, `0.5`" + ` |
| size | ` + "`65536`, `64KiB`, `8MiB`, `1GiB`" + ` |
| duration | ` + "`500ms`, `15s`, `10m`" + ` |
| list | in YAML a list; otherwise separated by commas |

A key or ` + "`BARRAGE_…`" + ` variable that no setting has is refused by name, and so is a
value that can't be. Nothing is guessed.

`

func page() string {
	var b strings.Builder
	b.WriteString(pageHead)
	section := "-"
	for _, s := range settings {
		if s.Section() != section {
			section = s.Section()
			title := section
			if title == "" {
				title = "general"
			}
			fmt.Fprintf(&b, "## %s\n\n| key | default | kind | what it does | flag | variable |\n| --- | --- | --- | --- | --- | --- |\n", title)
		}
		byDefault := "`" + s.Default + "`"
		if s.Default == "" {
			byDefault = "(empty)"
		}
		help := s.Help
		if s.Choices != nil {
			help += " (`" + strings.Join(s.Choices, "`, `") + "`)"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | `--%s` | `%s` |\n", s.Key, byDefault, s.Kind(), help, s.Flag, s.Env())
		if last(s) {
			b.WriteString("\n")
		}
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// last holds for the last setting of its section.
func last(s Setting) bool {
	for i, other := range settings {
		if other.Key == s.Key {
			return i == len(settings)-1 || settings[i+1].Section() != s.Section()
		}
	}
	return false
}

func TestConfigurationPageIsUpToDate(t *testing.T) {
	path := filepath.Join("..", "docs", "configuration.md")
	want := page()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Fatal("docs/configuration.md is not what the table of settings says: run `go generate ./configs`")
	}
}
