package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"
)

// printer writes what happens in live videos, a line for each event. Its
// methods may be called from any goroutine.
type printer struct {
	mu      sync.Mutex
	out     *bufio.Writer
	errOut  io.Writer
	json    bool
	verbose bool
	several bool // lines say which live video they are of
	failed  func(error)
}

// comment prints a comment; data is its JSON.
func (p *printer) comment(video, data string) {
	if p.json {
		p.line(harmlessJSON(data))
		return
	}
	var c comment
	if err := json.Unmarshal([]byte(data), &c); err != nil {
		p.note(video, "a comment that can't be read: %v", err)
		return
	}
	name := firstOf(c.UserName, c.UserID)
	reply := ""
	if c.ParentID != "" {
		reply = " (reply)"
	}
	p.line(fmt.Sprintf("%s %s%s%s: %s", p.when(c.CreatedAt), p.room(video), harmless(name), reply, harmless(c.Message)))
}

// event prints a named event.
func (p *printer) event(video, name, data string) {
	switch {
	case name == "viewers":
		p.viewers(video, data)
	case p.json:
		text, err := json.Marshal(struct {
			Event       string          `json:"event"`
			LiveVideoID string          `json:"liveVideoId"`
			Data        json.RawMessage `json:"data"`
		}{name, video, json.RawMessage(data)})
		if err != nil {
			p.note(video, "an event %s that can't be read", harmless(name))
			return
		}
		p.line(harmlessJSON(string(text)))
	case name == "delete":
		var deleted struct{ ID string }
		if err := json.Unmarshal([]byte(data), &deleted); err != nil {
			deleted.ID = data
		}
		p.line(fmt.Sprintf("%s %s— comment %s was deleted", p.when(time.Now()), p.room(video), harmless(deleted.ID)))
	case name == "reactions" && !p.verbose: // once a second, as long as there are some
	default:
		text := describeRoom(name, data)
		if text == "" {
			text = name + " " + data
		}
		p.line(fmt.Sprintf("%s %s— %s", p.when(time.Now()), p.room(video), harmless(text)))
	}
}

func (p *printer) viewers(video, data string) {
	if !p.verbose {
		return
	}
	var count struct{ Viewers uint64 }
	if err := json.Unmarshal([]byte(data), &count); err == nil {
		p.note(video, "%d watching", count.Viewers)
	}
}

// lost says that a connection is to be opened again.
func (p *printer) lost(video string, err error, pause time.Duration) {
	if p.verbose {
		p.note(video, "connection lost (%v), trying again in %s", err, pause.Round(10*time.Millisecond))
	}
}

// note writes to standard error.
func (p *printer) note(video, format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.errOut, "%s: %s\n", video, harmless(fmt.Sprintf(format, args...)))
}

func (p *printer) line(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintln(p.out, text)
	if err := p.out.Flush(); err != nil {
		p.failed(fmt.Errorf("writing: %w", err))
	}
}

func (p *printer) when(t time.Time) string { return t.Local().Format(time.TimeOnly) }

func (p *printer) room(video string) string {
	if p.several {
		return "[" + video + "] "
	}
	return ""
}
