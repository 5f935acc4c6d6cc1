package configs

import (
	"strings"
	"testing"
)

func TestOriginsAreThoseThatBrowsersSend(t *testing.T) {
	for origin, want := range map[string]string{ // "": it is taken
		"*": "", "https://site.example": "", "http://site.example:8080": "", "http://localhost:443": "", "https://10.0.0.1:80": "",
		"http://[::1]:5173": "", "https://xn--bcher-kva.example": "",
		"https://Site.Example":       "lower case",
		"https://bücher.example":     "xn--",
		"https://site.example:443":   "leave out the port",
		"http://site.example:80":     "leave out the port",
		"https://site.example:":      "leave out the port",
		"https://*.site.example":     "name every host",
		"HTTPS://site.example":       "is not an origin",
		"https://site.example/":      "is not an origin",
		"https://user@site.example":  "is not an origin",
		"site.example":               "is not an origin",
		"null":                       "is not an origin",
		"chrome-extension://abcdefg": "is not an origin",
	} {
		_, err := Load(nil, "", []string{"BARRAGE_HTTP_CORS_ORIGINS=" + origin})
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), "http.cors_origins: ") || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", origin, err)
		}
	}
}
