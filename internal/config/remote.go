package config

import (
	"os"
	"strings"
)

// Remote is the api that an operator's commands ask.
type Remote struct {
	URL string `name:"url" env:"PAYSAGA_URL" default:"http://127.0.0.1:8080" help:"The api. Its token is read from PAYSAGA_TOKEN, or the file that PAYSAGA_TOKEN_FILE names, and never from the command line."`
}

// Parse returns the api's address without a trailing slash, and the token. There is
// no flag for the token: a command line is everybody's to read, and is remembered.
func (r Remote) Parse(m *Mistakes) (url string, token Secret) {
	url = strings.TrimRight(r.URL, "/")
	m.url("PAYSAGA_URL", url)
	text, file := os.Getenv("PAYSAGA_TOKEN"), os.Getenv("PAYSAGA_TOKEN_FILE")
	switch {
	case text != "" && file != "":
		m.Add("PAYSAGA_TOKEN", "and PAYSAGA_TOKEN_FILE are both set")
	case file != "":
		var err error
		if text, err = fromFile(file); err != nil {
			m.Add("PAYSAGA_TOKEN_FILE", "cannot be read")
			return url, ""
		}
	}
	m.need("PAYSAGA_TOKEN", text)
	return url, Secret(text)
}
