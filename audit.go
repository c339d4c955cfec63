package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"time"

	"github.com/paysaga/paysaga/internal/config"
	"github.com/paysaga/paysaga/internal/payment"
	"github.com/paysaga/paysaga/internal/postgres"
	"github.com/paysaga/paysaga/worker"
)

type auditCmd struct {
	Verify verifyCmd `cmd:"" help:"Follow the audit log from its first row to its last, and fail where it was tampered with."`
}

type verifyCmd struct {
	config.Database
	Head anchor `placeholder:"SEQ:HASH" help:"A head from a worker's log or another safe place: finds a tail that was cut off or rewritten."`
}

// Run prints the head, to be kept for the next time.
func (c *verifyCmd) Run(ctx context.Context, m *config.Mistakes) error {
	c.Database.Check(m)
	if err := m.Err(); err != nil {
		return err
	}
	store, err := postgres.Open(ctx, string(c.URL), postgres.Settings{})
	if err != nil {
		return err
	}
	defer store.Close()
	head, err := store.VerifyAudit(ctx, payment.AuditHead(c.Head))
	if err != nil {
		return err
	}
	fmt.Printf("%d rows, unbroken; the head is %d:%s\n", head.Seq, head.Seq, head.Hash)
	return nil
}

// headLoggedEvery is how much of the audit log's end could be cut off unseen, where
// the processes' logs are kept elsewhere.
const headLoggedEvery = time.Hour

// auditHead writes the head into the log, for verify to hold against the books.
func auditHead(store *postgres.Store) worker.Round {
	return worker.Round{Name: "audit_head", Every: headLoggedEvery, Do: func(ctx context.Context) (more bool, err error) {
		head, err := store.AuditHead(ctx)
		if err == nil {
			slog.Info("audit head", "rows", head.Seq, "head", fmt.Sprintf("%d:%s", head.Seq, head.Hash))
		}
		return false, err
	}}
}

// anchor is an audit log's head as it was once, SEQ:HASH.
type anchor payment.AuditHead

var anchorText = regexp.MustCompile(`^([0-9]{1,18}):([0-9a-f]{64})$`)

// UnmarshalText reads what verify and the worker's log print.
func (a *anchor) UnmarshalText(text []byte) error {
	part := anchorText.FindStringSubmatch(string(text))
	if part == nil {
		return errors.New("must be a row's number and its hash, SEQ:HASH")
	}
	seq, err := strconv.ParseInt(part[1], 10, 64)
	*a = anchor{Seq: seq, Hash: part[2]}
	return err
}
