package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// write prints the report, and writes the files that were asked for.
func (r *Report) write(cfg Config, out io.Writer) error {
	if cfg.Out != "-" {
		if err := r.Text(out); err != nil {
			return fmt.Errorf("print the report: %w", err)
		}
	}
	if cfg.Out != "" {
		if err := toFile(cfg.Out, out, r.JSON); err != nil {
			return fmt.Errorf("write the JSON report: %w", err)
		}
	}
	if cfg.HTML != "" {
		if err := toFile(cfg.HTML, out, r.HTML); err != nil {
			return fmt.Errorf("write the HTML report: %w", err)
		}
	}
	return nil
}

// JSON writes the report for programs.
func (r *Report) JSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

func toFile(name string, stdout io.Writer, write func(io.Writer) error) (err error) {
	if name == "-" {
		return write(stdout)
	}
	f, err := os.Create(name) //nolint:gosec // the file the user named
	if err != nil {
		return err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
	}()
	return write(f)
}
