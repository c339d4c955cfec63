package explain

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/paysaga/paysaga/api"
)

// Pasted is a request as somebody copied it from a log or a proxy.
type Pasted struct {
	Request *http.Request
	Body    []byte
	Note    string // what is odd about the copy; may be empty
}

var (
	requestLine = regexp.MustCompile(`^[A-Z]+ \S+( HTTP/[0-9.]+)?$`)
	host        = regexp.MustCompile(`(?im)^host:`)
)

var errNoRequest = errors.New("this is no HTTP request: headers, an empty line, and the body are wanted, a request line may come before them")

// Read takes a copy apart: an HTTP request with or without its first line, and
// with or without Host, for which ourHost then stands. The body is what follows
// the first empty line, byte for byte.
func Read(text []byte, ourHost string) (Pasted, error) {
	text = bytes.TrimLeft(text, "\r\n")
	head, body, found := cut(text)
	if !found {
		return Pasted{}, errNoRequest
	}
	lines := strings.ReplaceAll(string(head), "\r\n", "\n") + "\n"
	first, others, _ := strings.Cut(lines, "\n")
	if !requestLine.MatchString(first) {
		first, others = "POST "+api.CallbackPath, lines
	}
	first, _, _ = strings.Cut(first, " HTTP/")
	if !host.MatchString(others) {
		others = "Host: " + ourHost + "\n" + others
	}
	request, err := http.ReadRequest(bufio.NewReader(strings.NewReader(first + " HTTP/1.1\n" + others + "\n")))
	if err != nil { // its text repeats the input
		return Pasted{}, errNoRequest
	}
	pasted := Pasted{Request: request, Body: body}
	length, err := strconv.Atoi(request.Header.Get("Content-Length"))
	if err != nil { // the copy does not say
		return pasted, nil
	}
	if len(body) > length && len(bytes.Trim(body[length:], "\r\n")) == 0 {
		pasted.Body = body[:length]
	}
	if len(pasted.Body) != length {
		pasted.Note = fmt.Sprintf("the body has %d bytes, and Content-Length says %d: it is not as it came", len(pasted.Body), length)
	}
	return pasted, nil
}

// cut splits at the first empty line.
func cut(text []byte) (head, body []byte, found bool) {
	unix, dos := bytes.Index(text, []byte("\n\n")), bytes.Index(text, []byte("\r\n\r\n"))
	switch {
	case dos >= 0 && (unix < 0 || dos < unix):
		return text[:dos], text[dos+4:], true
	case unix >= 0:
		return text[:unix], text[unix+2:], true
	}
	return nil, nil, false
}
