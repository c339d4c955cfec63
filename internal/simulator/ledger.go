package simulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"
)

// fact is one line of the ledger: something as it has been since At. Exactly one
// of the others is set. A noun (order, payment, refund …) is written whole each
// time it changes, so replaying is putting the latest in its place.
type fact struct {
	At           time.Time     `json:"at"`
	Order        *order        `json:"order,omitempty"`
	Payment      *paid         `json:"payment,omitempty"`
	Refund       *refund       `json:"refund,omitempty"`
	Shipment     *shipment     `json:"shipment,omitempty"`
	Webhook      *webhook      `json:"webhook,omitempty"`
	Notice       *notice       `json:"notice,omitempty"`
	Script       *script       `json:"script,omitempty"`
	Delivery     *Delivery     `json:"delivery,omitempty"`
	Call         *called       `json:"call,omitempty"`
	Clock        *moved        `json:"clock,omitempty"`
	Token        *token        `json:"token,omitempty"`
	Message      *subscribed   `json:"message,omitempty"`
	ShippingInfo *shippingInfo `json:"shipping_info,omitempty"`
	DayPlan      *dayPlan      `json:"day_plan,omitempty"`
}

// ledger is the append-only file of facts and the book they add up to.
type ledger struct {
	mu   sync.Mutex
	file *os.File
	book *book
}

// openLedger rebuilds the book from the file at path, which it makes if missing.
// A last line cut off by a crash never happened, and is removed.
func openLedger(path string) (*ledger, error) {
	l := &ledger{book: newBook()}
	raw, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("simulator: ledger: %w", err)
	}
	whole := raw[:bytes.LastIndexByte(raw, '\n')+1]
	decoder := json.NewDecoder(bytes.NewReader(whole))
	for line := 1; ; line++ {
		var f fact
		if err := decoder.Decode(&f); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("simulator: ledger: %s line %d: %w", path, line, err)
		}
		l.book.apply(f)
	}
	if l.file, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
		return nil, fmt.Errorf("simulator: ledger: %w", err)
	}
	if err := l.file.Truncate(int64(len(whole))); err != nil {
		return nil, fmt.Errorf("simulator: ledger: %w", err)
	}
	return l, nil
}

// change lets decide look at the book and writes down what it decides, in one
// write and before anybody else may look. decide must not alter the book itself.
// A fact that cannot be written is not true: nothing is applied, and the panic
// leaves the caller without an answer.
func (l *ledger) change(decide func(b *book) []fact) {
	l.mu.Lock()
	defer l.mu.Unlock()
	facts := decide(l.book)
	if len(facts) == 0 {
		return
	}
	var lines []byte
	now := time.Now().UTC()
	for i := range facts {
		facts[i].At = now
		line, err := json.Marshal(facts[i])
		if err != nil {
			panic(fmt.Errorf("simulator: ledger: %w", err))
		}
		lines = append(append(lines, line...), '\n')
	}
	if _, err := l.file.Write(lines); err != nil {
		panic(fmt.Errorf("simulator: ledger: %w", err))
	}
	for _, f := range facts {
		l.book.apply(f)
	}
}

// read lets look see the book; what it takes away must be copies.
func (l *ledger) read(look func(b *book)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	look(l.book)
}

// close ends the file; nothing that changes the book may be running any more.
func (l *ledger) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}
