package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// print writes the status for people.
func (s *clusterStatus) print(out io.Writer) error {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "NODE\tHTTP\tSTATE\tROOMS\tVIEWERS\tREPLICAS\tJOURNAL\tCLICKHOUSE\tUP\tVERSION")
	rooms, viewers := uint64(0), uint64(0)
	for _, m := range s.Members {
		cells := []string{m.Name, m.HTTP, "no answer", "", "", "", "", "", "", ""}
		if n := m.Node; n != nil {
			rooms, viewers = rooms+n.Rooms, viewers+n.Viewers
			cells = append(cells[:2], n.State, number(n.Rooms), number(n.Viewers), n.replicas(), n.journal(), n.clickHouse(),
				(time.Duration(n.UptimeSeconds) * time.Second).String(), n.Version)
		}
		for i, cell := range cells {
			if cells[i] = harmless(cell); cell == "" {
				cells[i] = "-"
			}
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(&text, "\n%s, %s, %s; revision %d, as %s says.\n", counted(uint64(len(s.Members)), "member"),
		counted(rooms, "room"), counted(viewers, "viewer"), s.Revision, harmless(s.Asked))
	for _, p := range s.Problems {
		fmt.Fprintf(&text, "WRONG: %s\n", harmless(p))
	}
	_, err := io.WriteString(out, text.String())
	return err
}

func (n *nodeStatus) replicas() string {
	if n.Replicas.Missing > 0 {
		return fmt.Sprintf("%d, %s missing", n.Replicas.Wanted, number(n.Replicas.Missing))
	}
	return strconv.Itoa(n.Replicas.Wanted)
}

func (n *nodeStatus) journal() string {
	return fmt.Sprintf("%s (%s)", number(n.Journal.Records), size(n.Journal.Bytes))
}

func (n *nodeStatus) clickHouse() string {
	switch {
	case n.ClickHouse == nil:
		return ""
	case n.ClickHouse.LagRecords == 0:
		return "has all"
	}
	behind := time.Duration(n.ClickHouse.LagSeconds * float64(time.Second)).Round(100 * time.Millisecond)
	return fmt.Sprintf("%s behind, %s", number(n.ClickHouse.LagRecords), behind)
}

// number writes 1234567 as 1,234,567.
func number(n uint64) string {
	text := strconv.FormatUint(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// size writes bytes with a unit.
func size(n uint64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n)/1024, 0
	for ; value >= 1024 && unit < len(units)-1; unit++ {
		value /= 1024
	}
	return fmt.Sprintf("%.1f %ciB", value, units[unit])
}

// counted writes how many of a thing there are.
func counted(n uint64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return number(n) + " " + thing + "s"
}
