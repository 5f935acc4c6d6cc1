package schema

import (
	"embed"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"text/template"
)

//go:embed sql/*.sql
var sqlFiles embed.FS

// migration is one file; number 0 is the table that keeps which were applied.
type migration struct {
	version    int
	name       string
	statements []string // each ends with ";" and names its database
	makes      []string // the tables and views
}

var created = regexp.MustCompile(`(?m)^CREATE (?:TABLE|VIEW|MATERIALIZED VIEW) IF NOT EXISTS (\w+)`)

// Statements answers all migrations as they would run on an empty server, in
// order, each ended with a semicolon.
func Statements(cfg Config, f Features) ([]string, error) {
	migrations, err := render(cfg, f)
	if err != nil {
		return nil, err
	}
	all := []string{createDatabase(cfg)}
	for _, m := range migrations {
		all = append(all, m.statements...)
	}
	return all, nil
}

func createDatabase(cfg Config) string {
	return "CREATE DATABASE IF NOT EXISTS `" + cfg.database() + "`" + cfg.onCluster() + ";"
}

// render answers the migrations for such a server, by version.
func render(cfg Config, f Features) ([]migration, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	files, err := fs.Glob(sqlFiles, "sql/*.sql") // sorted
	if err != nil {
		return nil, err
	}
	var all []migration
	names := map[string]bool{}
	for _, file := range files {
		m, err := renderFile(cfg, f, file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		all = append(all, m)
		for _, name := range m.makes {
			names[name] = true
		}
	}
	for _, m := range all {
		for i, statement := range m.statements {
			m.statements[i] = qualify(statement, names, cfg.in)
		}
	}
	return all, nil
}

func renderFile(cfg Config, f Features, file string) (migration, error) {
	number, name, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(file, "sql/"), ".sql"), "_")
	version, err := strconv.Atoi(number)
	if err != nil {
		return migration{}, err
	}
	text, err := sqlFiles.ReadFile(file)
	if err != nil {
		return migration{}, err
	}
	parsed, err := template.New(name).Funcs(cfg.vocabulary(f)).Parse(string(text))
	if err != nil {
		return migration{}, err
	}
	var sql strings.Builder
	if err := parsed.Execute(&sql, f); err != nil {
		return migration{}, err
	}
	m := migration{version: version, name: name}
	m.statements, err = split(sql.String())
	for _, statement := range m.statements {
		if match := created.FindStringSubmatch(statement); match != nil {
			m.makes = append(m.makes, match[1])
		}
	}
	return m, err
}

// split cuts at lines that end with a semicolon, and leaves comments out.
func split(sql string) ([]string, error) {
	var all, lines []string
	for line := range strings.Lines(sql) {
		line = strings.TrimRight(line, " \t\r\n")
		if line == "" || strings.HasPrefix(strings.TrimSpace(line), "--") {
			continue
		}
		lines = append(lines, line)
		if strings.HasSuffix(line, ";") {
			all = append(all, strings.Join(lines, "\n"))
			lines = nil
		}
	}
	if lines != nil {
		return nil, fmt.Errorf("the last statement has no semicolon: %q", lines)
	}
	return all, nil
}
