package web

import (
	"path"
	"regexp"
	"strings"
	"testing"
)

func TestEveryAssetHasTypeAndTag(t *testing.T) {
	if _, ok := Lookup("/"); !ok {
		t.Fatal("no page at /")
	}
	for _, p := range Paths() {
		asset, ok := Lookup(p)
		if !ok || len(asset.Body) == 0 || asset.ContentType == "" || len(asset.ETag) < 10 {
			t.Errorf("%s: type %q, etag %q, %d bytes", p, asset.ContentType, asset.ETag, len(asset.Body))
		}
	}
}

// What the policy forbids would fail only in a browser, and in silence.
func TestAssetsKeepToTheContentSecurityPolicy(t *testing.T) {
	forbidden := map[string]*regexp.Regexp{
		".html": regexp.MustCompile(`(?i)<style|<script(?:\s+type="module")?\s*>|\sstyle=|\son[a-z]+=|https?://`),
		".js":   regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setAttribute\('style'|https?://[a-z]`),
		".css":  regexp.MustCompile(`@import|url\("?(?:https?:)?//`),
	}
	for _, p := range Paths() {
		asset, _ := Lookup(p)
		name := p
		if name == "/" {
			name = "/index.html"
		}
		rule := forbidden[name[strings.LastIndex(name, "."):]]
		if rule == nil {
			continue
		}
		if found := rule.Find(asset.Body); found != nil {
			t.Errorf("%s contains %q", p, found)
		}
	}
}

func TestEveryReferenceIsEmbedded(t *testing.T) {
	references := regexp.MustCompile(`(?:src|srcset|href)="([^"]+)"|from '(\.[^']+)'|url\("([^"]+)"\)`)
	for _, p := range Paths() {
		asset, _ := Lookup(p)
		for _, m := range references.FindAllSubmatch(asset.Body, -1) {
			target := path.Join(path.Dir(p), string(m[1])+string(m[2])+string(m[3]))
			if _, ok := Lookup(target); !ok {
				t.Errorf("%s refers to %s, which is not embedded", p, target)
			}
		}
	}
}
