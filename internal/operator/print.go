package operator

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/paysaga/paysaga/internal/payment"
)

// Payment prints one payment as a person reads it.
func Payment(out io.Writer, answer []byte) error {
	var it payment.Dossier
	if err := json.Unmarshal(answer, &it); err != nil {
		return err
	}
	attention := ""
	if it.NeedsAttention {
		attention = ", needs attention"
	}
	fmt.Fprintf(out, "payment %s of order %s: %s%s\npaid %s, refunded %s\n",
		plain(it.TransactionID), plain(it.OutTradeNo), it.Stage, attention, payment.Yuan(it.AmountFen), payment.Yuan(it.RefundedFen))

	steps := table{"STEP", "STATE", "ATTEMPTS", "LAST ERROR"}
	for _, s := range it.Steps {
		steps.row(s.Name, s.State, fmt.Sprint(s.Attempts), s.LastError)
	}
	refunds := table{"REFUND", "AMOUNT", "STATE"}
	for _, r := range it.Refunds {
		refunds.row(r.OutRefundNo, payment.Yuan(r.AmountFen), string(r.State))
	}
	requests := table{"REQUEST", "KIND", "STATE", "BY", "REASON", "WHAT CAME OF IT"}
	for _, r := range it.Requests {
		requests.row(r.ID, string(r.Kind), string(r.State), r.Actor, r.Reason, r.Detail)
	}
	timeline := table{"AT", "WHAT", "BY"}
	for _, e := range it.Timeline {
		what := e.What
		if e.Became != "" {
			what = fmt.Sprintf("%s → %s: %s", cmp.Or(e.Was, "·"), e.Became, e.What)
		}
		timeline.row(clock(e.At), what, cmp.Or(e.Actor, "paysaga"))
	}
	for _, t := range []table{steps, refunds, casesTable(it.Cases), requests, timeline} {
		if err := t.print(out); err != nil {
			return err
		}
	}
	return nil
}

// Request prints what became of an act that was asked for.
func Request(out io.Writer, answer []byte) error {
	var taken struct {
		RequestID string               `json:"request_id"`
		State     payment.RequestState `json:"state"`
	}
	if err := json.Unmarshal(answer, &taken); err != nil {
		return err
	}
	then := "the saga does it now"
	if taken.State == payment.PendingApproval {
		then = "it waits for an approver, who must be somebody else"
	}
	_, err := fmt.Fprintf(out, "request %s is %s: %s\n", plain(taken.RequestID), taken.State, then)
	return err
}

// Cases prints the work list.
func Cases(out io.Writer, answer []byte) error {
	var list struct {
		Items []payment.Case `json:"items"`
	}
	if err := json.Unmarshal(answer, &list); err != nil {
		return err
	}
	if len(list.Items) == 0 {
		_, err := fmt.Fprintln(out, "no such cases")
		return err
	}
	return casesTable(list.Items).print(out)
}

func casesTable(cases []payment.Case) table {
	t := table{"CASE", "KIND", "STATE", "OWNER", "DUE", "ABOUT", "DETAIL"}
	for _, c := range cases {
		state := c.State
		if c.Overdue {
			state = "overdue"
		}
		t.row(c.ID, string(c.Kind), state, c.Owner, clock(c.DueAt), cmp.Or(c.TransactionID, c.OutTradeNo, c.NotificationID, "·"), cmp.Or(c.Resolution, c.Detail))
	}
	return t
}

// table is rows of as many cells as its first row, the heads, has.
type table []string

func (t *table) row(cells ...string) {
	last := len(*t) - 1
	line := make([]string, len(cells))
	for i, cell := range cells {
		line[i] = plain(cell)
	}
	(*t)[last] += "\n" + strings.Join(line, "\t")
}

func (t table) print(out io.Writer) error {
	text := strings.Join(t, "\t")
	if !strings.Contains(text, "\n") {
		return nil // nothing under the heads
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "\n%s\n", text)
	return w.Flush()
}

// plain keeps what others wrote from moving the cursor, or changing colours.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, text)
}

func clock(at time.Time) string { return at.Local().Format(time.DateTime) }
