package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// floorProcess is the child with its pipes.
type floorProcess struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func startFloor(ctx context.Context, command []string) (*floorProcess, error) {
	if len(command) == 0 {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("find this program: %w", err)
		}
		command = []string{self, "bench", FloorCommandName}
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...) //nolint:gosec // this program itself
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errFloor, err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errFloor, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w: %w", errFloor, err)
	}
	return &floorProcess{cmd: cmd, in: in, out: bufio.NewScanner(out)}, nil
}

// FloorCommandName is the hidden subcommand of bench that runs FloorChild.
const FloorCommandName = "bench-floor"

func (p *floorProcess) line() (string, error) {
	if !p.out.Scan() {
		return "", fmt.Errorf("%w ended early: %w", errFloor, errors.Join(p.out.Err(), io.ErrUnexpectedEOF))
	}
	return p.out.Text(), nil
}

func (p *floorProcess) say(format string, args ...any) error {
	if _, err := fmt.Fprintf(p.in, format+"\n", args...); err != nil {
		return fmt.Errorf("%w: %w", errFloor, err)
	}
	return nil
}

// cpu reads the answer to end and run.
func (p *floorProcess) cpu() (time.Duration, error) {
	line, err := p.line()
	if err != nil {
		return 0, err
	}
	ns, err := strconv.ParseInt(strings.TrimPrefix(line, "done "), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w said %q", errFloor, line)
	}
	return time.Duration(ns), nil
}
