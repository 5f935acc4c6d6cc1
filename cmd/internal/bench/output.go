package bench

import (
	"bytes"
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

// toFile writes a report to the file of that name, or to stdout for "-". The
// file is not touched before the report is whole.
func toFile(name string, stdout io.Writer, write func(io.Writer) error) error {
	if name == "-" {
		return write(stdout)
	}
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	return os.WriteFile(name, b.Bytes(), 0o644) //nolint:gosec // a report is for everybody to read
}
