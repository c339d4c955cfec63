package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/paysaga/paysaga/internal/config"
	"github.com/paysaga/paysaga/internal/explain"
	"github.com/paysaga/paysaga/internal/wechatpay"
)

type explainCmd struct {
	config.Public
	config.WeChatPay
	config.Callbacks

	File string `arg:"" optional:"" default:"-" help:"A file with the request: headers, an empty line, the body; - reads standard input."`
	At   string `help:"When it came, as 2026-11-22T10:34:56+08:00; now if empty."`
}

// explained bounds what is read, in bytes: more than any callback that is taken.
const explained = 8 << 20

// Run says what the api would make of a callback, and fails if it would not take it.
func (c *explainCmd) Run(m *config.Mistakes) error {
	c.Callbacks.Check(m)
	public, maxBytes, at := c.Public.Parse(m), c.CallbackBytes(m), time.Now()
	if c.At != "" {
		var err error
		if at, err = time.Parse(time.RFC3339, c.At); err != nil {
			m.Add("--at", "must be like 2026-11-22T10:34:56+08:00")
		}
	}
	if err := m.Err(); err != nil {
		return err
	}
	keys, err := wechatpay.NewKeys(keyMaterial(c.WeChatPay))
	if err != nil {
		return err
	}
	keys.Now = func() time.Time { return at }
	desk := explain.Desk{Keys: keys, Serials: keys.Serials(), Public: public, MaxBytes: maxBytes, At: at}
	if c.APIv2Key != "" {
		desk.V2 = wechatpay.NewV2(string(c.APIv2Key), c.V2SignType)
	}
	if c.MessageToken != "" {
		desk.Messages = wechatpay.NewMessages(string(c.MessageToken))
	}

	text, err := c.read()
	if err != nil {
		return err
	}
	pasted, err := explain.Read(text, public.Host)
	if err != nil {
		return err
	}
	account := desk.Of(pasted.Request, pasted.Body)
	account.Print(os.Stdout, pasted.Note)
	if !account.Accepted() {
		return fmt.Errorf("this callback is not taken: %s", account.Failed)
	}
	return nil
}

func (c *explainCmd) read() ([]byte, error) {
	if c.File == "-" {
		return io.ReadAll(io.LimitReader(os.Stdin, explained))
	}
	file, err := os.Open(c.File)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, explained))
}
