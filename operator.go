package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"

	"github.com/paysaga/paysaga/api"
	"github.com/paysaga/paysaga/internal/config"
	"github.com/paysaga/paysaga/internal/operator"
)

type paymentsCmd struct {
	Show       showCmd       `cmd:"" help:"Show a payment with all that happened to it."`
	Compensate compensateCmd `cmd:"" help:"Ask for a payment to be undone: stop the goods, give the money back."`
	Retry      retryCmd      `cmd:"" help:"Ask for a held payment to carry on, or for the next try to be made now."`
	Resolve    resolveCmd    `cmd:"" help:"Ask for a held payment to be closed as it ended elsewhere; the evidence is checked."`
}

// asking is what all commands have that ask the api.
type asking struct {
	config.Remote
	JSON bool `name:"json" help:"Print the api's answer as it is."`
}

func (a asking) client(m *config.Mistakes) (*operator.Client, error) {
	address, token := a.Remote.Parse(m)
	return &operator.Client{URL: address, Token: string(token)}, m.Err()
}

// print prints an answer for a person, or as it is for a program: a refusal too.
func (a asking) print(answer []byte, err error, human func(io.Writer, []byte) error) error {
	if a.JSON && len(answer) > 0 {
		_, _ = os.Stdout.Write(answer)
		return err
	}
	if err != nil {
		return err
	}
	return human(os.Stdout, answer)
}

type showCmd struct {
	asking
	TransactionID string `arg:"" help:"WeChat's number of the payment."`
}

// Run prints the payment.
func (c *showCmd) Run(ctx context.Context, m *config.Mistakes) error {
	client, err := c.client(m)
	if err != nil {
		return err
	}
	answer, err := client.Get(ctx, "/v1/payments/"+url.PathEscape(c.TransactionID))
	return c.print(answer, err, operator.Payment)
}

// acting is what all commands have that ask for something to be done.
type acting struct {
	asking
	TransactionID string `arg:"" help:"WeChat's number of the payment."`
	Reason        string `required:"" help:"Why, in 10 to 500 characters; the audit log keeps it."`
	Key           string `help:"The key of an earlier call whose outcome was not learnt; the same call is then safe."`
}

func (a acting) act(ctx context.Context, m *config.Mistakes, what string, body map[string]any) error {
	client, err := a.client(m)
	if err != nil {
		return err
	}
	key := a.Key
	if key == "" {
		key = "cli-" + rand.Text()
	}
	body["reason"] = a.Reason
	answer, err := client.Post(ctx, "/v1/payments/"+url.PathEscape(a.TransactionID)+"/"+what, key, body)
	if _, refused := errors.AsType[*operator.Refusal](err); err != nil && !refused {
		return fmt.Errorf("%w\nit is not known whether it was done; the same command with --key %s finds out", err, key)
	}
	return a.print(answer, err, operator.Request)
}

type compensateCmd struct {
	acting
	Goods string `enum:"stop,returned,kept" default:"stop" help:"stop them first, or refund though they have left: returned or kept (wants an approver)."`
}

// Run asks for the payment to be undone.
func (c *compensateCmd) Run(ctx context.Context, m *config.Mistakes) error {
	return c.act(ctx, m, "compensate", map[string]any{"goods": c.Goods})
}

type retryCmd struct{ acting }

// Run asks for the payment to carry on.
func (c *retryCmd) Run(ctx context.Context, m *config.Mistakes) error {
	return c.act(ctx, m, "retry", map[string]any{})
}

type resolveCmd struct {
	acting
	Outcome  string   `required:"" enum:"shipped,refunded" help:"How it ended: shipped or refunded."`
	Evidence []string `help:"The shop's shipment_id, or every refund's number, comma-separated."`
}

// Run asks for the payment to be closed.
func (c *resolveCmd) Run(ctx context.Context, m *config.Mistakes) error {
	return c.act(ctx, m, "resolve", map[string]any{"outcome": c.Outcome, "evidence": append([]string{}, c.Evidence...)})
}

type casesCmd struct {
	List listCmd `cmd:"" help:"List what needs a person, overdue first."`
}

type listCmd struct {
	asking
	State   string `enum:"open,closed,all" default:"open" help:"open, closed or all."`
	Kind    string `help:"One kind of case alone."`
	Owner   string `help:"One person's alone."`
	Overdue bool   `help:"Those alone whose owner's time is over."`
}

// Run prints all pages of the list as one.
func (c *listCmd) Run(ctx context.Context, m *config.Mistakes) error {
	client, err := c.client(m)
	if err != nil {
		return err
	}
	query := url.Values{"limit": {"100"}, "kind": {c.Kind}, "owner": {c.Owner}}
	if c.State != "all" {
		query.Set("state", c.State)
	}
	if c.Overdue {
		query.Set("overdue", "true")
	}
	all := []json.RawMessage{}
	for {
		answer, err := client.Get(ctx, "/v1/cases?"+query.Encode())
		if err != nil {
			return c.print(answer, err, nil)
		}
		var page struct {
			Items      []json.RawMessage `json:"items"`
			NextCursor string            `json:"next_cursor"`
		}
		if err := json.Unmarshal(answer, &page); err != nil {
			return err
		}
		all = append(all, page.Items...)
		if page.NextCursor == "" {
			break
		}
		query.Set("cursor", page.NextCursor)
	}
	list, err := json.Marshal(map[string]any{"items": all})
	return c.print(append(list, '\n'), err, operator.Cases)
}

type tokenCmd struct {
	New newTokenCmd `cmd:"" help:"Make a token: its first line is the secret, shown this once; its second belongs into API_TOKENS."`
}

type newTokenCmd struct {
	Role string `required:"" enum:"merchant,support,approver,operator" help:"merchant, support, approver or operator."`
	Name string `required:"" help:"Who it is for: 1-64 of [0-9A-Za-z._@-]. Two tokens of one name are one person."`
}

// Run prints a new token and its line, and keeps neither.
func (c *newTokenCmd) Run() error {
	token := rand.Text() + rand.Text() // 52 characters, 260 random bits
	line := fmt.Sprintf("%s:%s:%x", c.Role, c.Name, sha256.Sum256([]byte(token)))
	if _, err := api.ParseTokens(line); err != nil {
		return err
	}
	_, err := fmt.Printf("%s\n%s\n", token, line)
	return err
}
