package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/api"
)

// What is turned away before anybody looks at a signature: nothing is kept, and
// nothing is asked of the database.
func TestWhatNeverGetsAsFarAsASignature(t *testing.T) {
	g := newGate(t)
	good := func() letter { return g.payment(freshNumber(), nil) }
	method := func(name string) letter { l := good(); l.method = name; return l }
	path := func(p string) letter { l := good(); l.path = p; return l }
	host := func(h string) letter { l := good(); l.host = h; return l }
	body := func(n int) letter { return g.sign(strings.Repeat(" ", n)) }

	for name, row := range map[string]struct {
		letter  letter
		status  int
		message string
	}{
		"NET-11 GET":                         {method("GET"), http.StatusMethodNotAllowed, "method"},
		"NET-11 PUT":                         {method("PUT"), http.StatusMethodNotAllowed, "method"},
		"NET-11 DELETE":                      {method("DELETE"), http.StatusMethodNotAllowed, "method"},
		"NET-11 OPTIONS":                     {method("OPTIONS"), http.StatusMethodNotAllowed, "method"},
		"NET-11 TRACE":                       {method("TRACE"), http.StatusMethodNotAllowed, "method"},
		"NET-12 a trailing slash":            {path(api.CallbackPath + "/"), http.StatusNotFound, "path"},
		"NET-12 a doubled slash":             {path("/callbacks//wechatpay"), http.StatusNotFound, "path"},
		"NET-12 another case":                {path("/callbacks/WechatPay"), http.StatusNotFound, "path"},
		"the v2 route without a v2 key":      {path("/callbacks/wechatpay/v2"), http.StatusNotFound, "path"},
		"the message server without a token": {path(api.MessagesPath), http.StatusNotFound, "path"},
		"another host":                       {host("evil.example"), http.StatusMisdirectedRequest, "host"},
		"NET-03 one byte too much":           {body(64<<10 + 1), http.StatusRequestEntityTooLarge, "too large"},
		"NET-09 a compressed body":           {good().with("Content-Encoding", "gzip"), http.StatusUnsupportedMediaType, "encoding"},
		"a body said not to be encoded":      {good().with("Content-Encoding", "identity"), http.StatusUnsupportedMediaType, "encoding"},
		"too large and compressed":           {body(64<<10+1).with("Content-Encoding", "gzip"), http.StatusRequestEntityTooLarge, "too large"},
		"too large to the wrong path":        {func() letter { l := body(64<<10 + 1); l.path = "/callbacks/x"; return l }(), http.StatusNotFound, "path"},
		"the right path, method and size":    {body(64 << 10), http.StatusBadRequest, "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			before := g.rows(t)
			status, header, body := g.post(t, row.letter)
			want := fmt.Sprintf(`{"code":"FAIL","message":%q}`, row.message)
			if status != row.status || body != want {
				t.Errorf("answered %d %s, want %d %s", status, body, row.status, want)
			}
			if status == http.StatusMethodNotAllowed && header.Get("Allow") != "POST" {
				t.Errorf("Allow: %q", header.Get("Allow"))
			}
			if header.Get("Location") != "" {
				t.Error("redirected: a redirected POST is a lost callback")
			}
			leaves := map[string]int64{}
			if status == http.StatusBadRequest {
				leaves = rawOnly
			}
			if diff := cmp.Diff(leaves, g.grown(t, before)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// dial opens a connection to the gate that says exactly what a test wants said.
func (g *gate) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// head is a request's head with a letter's headers and more lines.
func (g *gate) head(l letter, lines ...string) string {
	var head strings.Builder
	fmt.Fprintf(&head, "POST %s HTTP/1.1\r\nHost: %s\r\n", api.CallbackPath, strings.TrimPrefix(g.url, "http://"))
	_ = l.header.Write(&head) // a Builder takes everything
	for _, line := range lines {
		head.WriteString(line + "\r\n")
	}
	return head.String() + "\r\n"
}

func readAnswer(t *testing.T, conn net.Conn) (*http.Response, string) {
	t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

// closed tells whether the other side hung up and said nothing more.
func closed(conn net.Conn) bool {
	more, err := io.ReadAll(conn)
	return err == nil && len(more) == 0
}

// NET-05. The writer sees the connection end long before it is done.
func TestABodyThatNeverEndsIsCutOff(t *testing.T) {
	g := newGate(t)
	conn := g.dial(t)
	fmt.Fprint(conn, g.head(g.payment(freshNumber(), nil), "Transfer-Encoding: chunked"))
	chunk := "1000\r\n" + strings.Repeat("x", 0x1000) + "\r\n"
	written := make(chan int, 1)
	go func() {
		n := 0
		for ; n < 1<<30; n += 0x1000 {
			if _, err := io.WriteString(conn, chunk); err != nil {
				break
			}
		}
		written <- n
	}()
	response, body := readAnswer(t, conn)
	if response.StatusCode != http.StatusRequestEntityTooLarge || body != `{"code":"FAIL","message":"too large"}` || !response.Close {
		t.Errorf("answered %s %s, close %v", response.Status, body, response.Close)
	}
	if n := <-written; n >= 64<<20 { // what the sockets' buffers take, not what the handler read
		t.Errorf("%d bytes were taken", n)
	}
}

// NET-16. A gigabyte that was only announced is not asked for.
func TestAnAnnouncedGigabyteIsNotWaitedFor(t *testing.T) {
	g := newGate(t)
	conn := g.dial(t)
	fmt.Fprint(conn, g.head(g.payment(freshNumber(), nil), "Content-Length: 1000000000", "Expect: 100-continue"))
	response, body := readAnswer(t, conn)
	if response.StatusCode != http.StatusRequestEntityTooLarge || body != `{"code":"FAIL","message":"too large"}` || !closed(conn) {
		t.Errorf("answered %s %s", response.Status, body)
	}
}

// A body with both lengths: whatever a proxy in front of us made of it, what it
// may have hidden behind the chunks is not served.
func TestARequestBehindAChunkedBodyIsNotServed(t *testing.T) {
	g := newGate(t)
	l, hidden := g.payment(freshNumber(), nil), g.payment(freshNumber(), nil)
	conn := g.dial(t)
	chunks := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(l.body), l.body)
	behind := g.head(hidden, fmt.Sprintf("Content-Length: %d", len(hidden.body))) + hidden.body
	fmt.Fprint(conn, g.head(l, "Transfer-Encoding: chunked")+chunks+behind)
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusOK || string(body) != successBody || !response.Close {
		t.Errorf("answered %s %s, close %v", response.Status, body, response.Close)
	}
	if second, err := http.ReadResponse(reader, nil); err == nil {
		t.Errorf("the hidden one was answered %s", second.Status)
	}
	if n := g.Int(t, `select count(*) from inbox`); n != 1 {
		t.Errorf("%d rows in the inbox, want 1", n)
	}
}

// HDR-18. net/http itself refuses these; this holds it to that.
func TestALineBreakInAHeaderNeverReachesUs(t *testing.T) {
	g := newGate(t)
	for name, value := range map[string]string{"CR": "a\rX: y", "NUL": "a\x00b"} {
		conn := g.dial(t)
		fmt.Fprint(conn, g.head(g.payment(freshNumber(), nil).without("Wechatpay-Nonce"), "Wechatpay-Nonce: "+value, "Content-Length: 0"))
		line, err := textproto.NewReader(bufio.NewReader(conn)).ReadLine()
		if err != nil || !strings.HasPrefix(line, "HTTP/1.1 400 ") {
			t.Errorf("%s: %q, %v", name, line, err)
		}
	}
	if n := g.counted(t, "callback_verdicts_total", "refused"); n != 0 || len(g.grown(t, g.rows(t))) != 0 {
		t.Error("it reached the handler")
	}
}

// A sender that goes away half way has proved nothing.
func TestABodyCutShortLeavesNoTrace(t *testing.T) {
	g := newGate(t)
	before := g.rows(t)
	l := g.payment(freshNumber(), nil)
	conn := g.dial(t)
	fmt.Fprint(conn, g.head(l, fmt.Sprintf("Content-Length: %d", len(l.body)))+l.body[:10])
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	response, body := readAnswer(t, conn)
	if response.StatusCode != http.StatusBadRequest || body != malformedBody {
		t.Errorf("answered %s %s", response.Status, body)
	}
	if diff := cmp.Diff(map[string]int64{}, g.grown(t, before)); diff != "" {
		t.Error(diff)
	}
}
