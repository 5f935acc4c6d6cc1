// Package web holds the demo page, the JavaScript client and the description of
// the HTTP interface: files, compiled into the binary, ready
// to be served.
package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"path"
)

// ContentSecurityPolicy is the policy under which every asset works; the edge
// sends it with each of them. Nothing inline, nothing from another host.
const ContentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; " +
	"img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// CacheControl lets browsers keep an asset and ask with its ETag whether it is
// still current: names carry no version, and the modules of two versions of the
// program must not mix.
const CacheControl = "no-cache"

// Asset is one file of the page. Body is shared by all requests and never
// written to.
type Asset struct {
	Body        []byte
	ContentType string
	ETag        string // strong, quoted
}

//go:embed index.html openapi.yaml assets
var files embed.FS

// The mime package would consult the machine's own tables.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".svg":  "image/svg+xml",
	".yaml": "application/yaml",
}

var assets = load()

// Lookup finds the asset at a request path: "/" is the page, "/openapi.yaml" the
// description; everything else is
// below "/assets/".
func Lookup(requestPath string) (Asset, bool) {
	asset, ok := assets[requestPath]
	return asset, ok
}

// Paths lists the request paths of all assets, for a router that wants them one
// by one.
func Paths() []string {
	paths := make([]string, 0, len(assets))
	for p := range assets {
		paths = append(paths, p)
	}
	return paths
}

func load() map[string]Asset {
	found := make(map[string]Asset)
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(body)
		requestPath := "/" + name
		if name == "index.html" {
			requestPath = "/"
		}
		found[requestPath] = Asset{
			Body:        body,
			ContentType: contentTypes[path.Ext(name)],
			ETag:        `"` + hex.EncodeToString(sum[:12]) + `"`,
		}
		return nil
	})
	if err != nil {
		panic("web: embedded files: " + err.Error()) // cannot happen: they are in memory
	}
	return found
}
