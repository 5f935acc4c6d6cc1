package moderation

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"golang.org/x/text/unicode/norm"
	"mvdan.cc/xurls/v2"
)

// Links are the rules for links in comments.
type Links struct {
	// Action is what becomes of a comment with more links than Most; Allow:
	// links are not looked for.
	Action Action
	// Most is how many links a comment may have. Those to Hosts, and to hosts
	// below them, do not count.
	Most  int
	Hosts []string
}

// Validate says what of the rules can't work.
func (l *Links) Validate() error {
	for _, host := range l.Hosts {
		if host == "" || strings.ContainsAny(host, "/: *") {
			return fmt.Errorf("moderation: %.64q is not a host name", host)
		}
	}
	if l.Action == Mask {
		return errors.New("moderation: links can be allowed, held or blocked, not masked")
	}
	if l.Most < 0 {
		return fmt.Errorf("moderation: a comment can't have %d links", l.Most)
	}
	return nil
}

// relaxed also finds addresses without a scheme, under known top-level domains.
var relaxed = xurls.Relaxed()

// fullStops are the ideographic full stops, which browsers take as dots in a
// host name (UTS #46), and look-alikes that people write for them.
var fullStops = strings.NewReplacer("。", ".", "。", ".", "．", ".", "[.]", ".", "(.)", ".")

// Check gives the verdict of the rules on a message.
func (l *Links) Check(message string) Verdict {
	v := Verdict{Message: message}
	if l.Action == Allow {
		return v
	}
	text := norm.NFKC.String(fullStops.Replace(message))
	if !strings.ContainsRune(text, '.') && !strings.Contains(text, "://") {
		return v // the search costs more than all else here
	}
	links := 0
	for _, link := range relaxed.FindAllString(text, -1) {
		if isMail(link) || l.isOurs(link) {
			continue
		}
		if links++; links > l.Most {
			v.Action, v.Reason = l.Action, ReasonLink
			return v
		}
	}
	return v
}

// isMail says whether a link is a mail address, perhaps with a subject. With a
// path it is a page, wherever the @ is.
func isMail(link string) bool {
	i := strings.IndexAny(link, "@?#")
	return i >= 0 && link[i] == '@' && !strings.Contains(link, "/")
}

// isOurs says whether a link is to one of Hosts.
func (l *Links) isOurs(link string) bool {
	if len(l.Hosts) == 0 {
		return false
	}
	if !strings.Contains(link, "://") {
		link = "//" + strings.TrimPrefix(link, "//")
	}
	u, err := url.Parse(link)
	if err != nil {
		return false
	}
	name := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	for _, host := range l.Hosts {
		host = strings.ToLower(host)
		if name == host || strings.HasSuffix(name, "."+host) {
			return true
		}
	}
	return false
}
