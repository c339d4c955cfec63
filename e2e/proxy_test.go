package e2e

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
)

// proxy is a link that can be cut, or frozen in the moment after a commit was
// sent: the server then has it, and its client will never know.
type proxy struct {
	upstream string
	listener net.Listener

	mu     sync.Mutex
	down   bool
	open   map[net.Conn]bool
	marker []byte        // freeze the connection that carries this, then says commit
	frozen chan struct{} // closed when one is frozen
}

func newProxy(t *testing.T, upstream string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{upstream: upstream, listener: listener, open: map[net.Conn]bool{}}
	go p.accept()
	t.Cleanup(func() { listener.Close(); p.cut() })
	return p
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

// cut ends every connection and refuses new ones.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = true
	for conn := range p.open {
		conn.Close()
	}
}

func (p *proxy) heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = false
}

// freezeCommitOf withholds the answer to the commit of whatever transaction
// mentions marker. The channel closes when that commit was passed on.
func (p *proxy) freezeCommitOf(marker string) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.marker, p.frozen = []byte(marker), make(chan struct{})
	return p.frozen
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.upstream)
		if err != nil || !p.admit(client, server) {
			client.Close()
			if server != nil {
				server.Close()
			}
			continue
		}
		answers := &gate{to: client}
		go p.carry(server, client, answers)
		go func() {
			_, _ = io.Copy(answers, server)
			client.Close()
		}()
	}
}

func (p *proxy) admit(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		return false
	}
	for _, conn := range conns {
		p.open[conn] = true
	}
	return true
}

func (p *proxy) carry(server, client net.Conn, answers *gate) {
	defer server.Close()
	buffer := make([]byte, 64<<10)
	marked := false
	for {
		n, err := client.Read(buffer)
		if n > 0 {
			marked = marked || p.mentions(buffer[:n])
			freeze := marked && bytes.Contains(bytes.ToLower(buffer[:n]), []byte("commit"))
			if freeze {
				answers.shut()
			}
			if _, err := server.Write(buffer[:n]); err != nil {
				return
			}
			if freeze {
				p.froze()
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *proxy) mentions(sent []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.marker) > 0 && bytes.Contains(sent, p.marker)
}

func (p *proxy) froze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.marker != nil {
		p.marker = nil
		close(p.frozen)
	}
}

// gate passes answers on until it is shut, and swallows them afterwards.
type gate struct {
	mu     sync.Mutex
	closed bool
	to     io.Writer
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
}

func (g *gate) Write(answer []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return len(answer), nil
	}
	return g.to.Write(answer)
}
