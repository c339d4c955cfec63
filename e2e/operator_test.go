package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/internal/simulator"
)

// said is what a command left behind.
type said struct {
	out, err string
	code     int
}

// cli runs paysaga as an operator would on a machine of their own, where nothing
// is set but the api's address and a token.
func (w *world) cli(token string, args ...string) said {
	w.Helper()
	command := exec.CommandContext(w.Context(), binary, args...)
	command.Env = []string{"PAYSAGA_URL=" + w.fleet.APIs[0].URL, "PAYSAGA_TOKEN=" + token, "TZ=UTC"}
	var out, err bytes.Buffer
	command.Stdout, command.Stderr = &out, &err
	if failed := command.Run(); failed != nil {
		if _, exited := errors.AsType[*exec.ExitError](failed); !exited {
			w.Fatal(failed)
		}
	}
	return said{out.String(), err.String(), command.ProcessState.ExitCode()}
}

// says demands an exit code, and words in what was printed for people.
func (s said) says(w *world, code int, words ...string) said {
	w.Helper()
	for _, word := range words {
		if !strings.Contains(s.out+s.err, word) {
			w.Errorf("does not say %q", word)
		}
	}
	if s.code != code {
		w.Errorf("exit code %d, want %d", s.code, code)
	}
	if w.Failed() {
		w.Logf("%s%s", s.out, s.err)
	}
	return s
}

func TestAnOperatorAtATerminal(t *testing.T) {
	w := newWorld(t, nil, "SHIP_GIVE_UP_AFTER=2s", "APPROVAL_ABOVE_FEN=1000000")
	tokens := w.fleet.Tokens

	w.play("looks at a payment", func(w *world) {
		number := w.order(tea)
		id := w.pay(number, simulator.PayRequest{})
		w.endsShipped(id, number)
		w.cli(tokens.Operator, "payments", "show", id).says(w, 0, id, number, "completed", fmt.Sprintf("¥%d.%02d", tea/100, tea%100), "ship", "shipped → completed")
		var v view
		asJSON := w.cli(tokens.Operator, "payments", "show", id, "--json").says(w, 0)
		if err := json.Unmarshal([]byte(asJSON.out), &v); err != nil || v.TransactionID != id || v.Stage != "completed" {
			w.Errorf("%v in %s", err, asJSON.out)
		}
	})

	w.play("undoes a payment, and asks twice under one key", func(w *world) {
		number := w.order(tea)
		id := w.pay(number, simulator.PayRequest{AmountFen: tea - 1})
		w.held(id, "quarantined", "amount_mismatch")
		undo := []string{"payments", "compensate", id, "--reason", "the payer wants another try", "--key", "K-" + id}
		first := w.cli(tokens.Support, undo...).says(w, 0, "req_", "queued")
		w.endsRefunded(id, number)
		if again := w.cli(tokens.Support, undo...).says(w, 0); again != first {
			w.Errorf("first %+v\nthen %+v", first, again)
		}
		w.cli(tokens.Support, "payments", "compensate", id, "--reason", "the payer wants another try").says(w, 3, "wrong_stage")
	})

	w.play("finds a case, and has the shop asked again", func(w *world) {
		number := w.order(tea)
		w.plan(number, simulator.Plan{Shop: "fail"})
		id := w.pay(number, simulator.PayRequest{})
		w.held(id, "holding", "ship_unknown")
		w.cli(tokens.Operator, "cases", "list").says(w, 0, "CASE", "ship_unknown", id, "support")
		w.cli(tokens.Operator, "cases", "list", "--kind", "close_stuck").says(w, 0, "no such cases")
		var list struct {
			Items []struct {
				Kind          string
				TransactionID string `json:"transaction_id"`
			}
		}
		asJSON := w.cli(tokens.Operator, "cases", "list", "--json", "--owner", "support", "--kind", "ship_unknown").says(w, 0)
		if err := json.Unmarshal([]byte(asJSON.out), &list); err != nil || len(list.Items) != 1 || list.Items[0].TransactionID != id {
			w.Errorf("%v in %s", err, asJSON.out)
		}
		w.plan(number, simulator.Plan{Shop: "normal"})
		w.cli(tokens.Operator, "payments", "retry", id, "--reason", "the shop is back since noon").says(w, 0, "queued")
		w.endsShipped(id, number)
	})

	w.play("closes a payment as it ended, and the evidence is looked at", func(w *world) {
		id := w.pay(w.order(tea), simulator.PayRequest{AmountFen: tea - 1})
		w.held(id, "quarantined", "amount_mismatch")
		resolve := []string{"payments", "resolve", id, "--reason", "given back at the counter", "--outcome", "refunded"}
		w.cli(tokens.Support, append(resolve, "--json")...).says(w, 0)
		w.await("the evidence is refused", func() bool { return w.payment(id).Requests[0].State == "refused" })
		w.cli(tokens.Support, append(resolve, "--evidence", "R1,R2")...).says(w, 0, "queued")
	})

	w.play("is told no, in words and by exit codes", func(w *world) {
		id := w.pay(w.order(tea), simulator.PayRequest{AmountFen: tea - 1})
		w.held(id, "quarantined", "amount_mismatch")
		undo := []string{"payments", "compensate", id, "--reason", "the payer wants another try"}
		w.cli(tokens.Operator, undo...).says(w, 3, "refused: wrong_role")
		w.cli(tokens.Merchant, undo...).says(w, 3, "refused: wrong_role")
		w.cli("nobody", "payments", "show", id).says(w, 3, "refused: unauthorized")
		w.cli(tokens.Support, "payments", "show", "42").says(w, 3, "no_such_payment")
		w.cli(tokens.Support, "payments", "compensate", id, "--reason", "short").says(w, 3, "invalid_reason")
		no := w.cli(tokens.Support, "payments", "retry", id, "--reason", "0123456789", "--json").says(w, 3)
		if !strings.Contains(no.out, `"code":"wrong_stage"`) {
			w.Errorf("as JSON it is %s", no.out)
		}
		w.cli(tokens.Support, "payments", "compensate", id).says(w, 2, "--reason")
		w.cli(tokens.Support, "payments", "show", id, "--token", tokens.Support).says(w, 2, "unknown flag")
		w.cli("", "payments", "show", id).says(w, 1, "PAYSAGA_TOKEN: is not set")
		if v := w.payment(id); v.Stage != "quarantined" || len(v.Requests) != 0 {
			w.Errorf("after all that the payment is %s with %d requests", v.Stage, len(v.Requests))
		}
	})

	w.play("makes a token, and keeps one in a file", func(w *world) {
		made := strings.Split(w.cli("", "token", "new", "--role", "approver", "--name", "bo").says(w, 0).out, "\n")
		if len(made) != 3 || len(made[0]) < 32 || made[1] != fmt.Sprintf("approver:bo:%x", sha256.Sum256([]byte(made[0]))) {
			w.Errorf("made %q", made)
		}
		w.cli("", "token", "new", "--role", "approver", "--name", "b o").says(w, 1, "name")
		file := filepath.Join(w.TempDir(), "token")
		if err := os.WriteFile(file, []byte(tokens.Operator+"\n"), 0o600); err != nil {
			w.Fatal(err)
		}
		command := exec.CommandContext(w.Context(), binary, "cases", "list", "--url", w.fleet.APIs[0].URL)
		command.Env = []string{"PAYSAGA_TOKEN_FILE=" + file}
		if out, err := command.CombinedOutput(); err != nil {
			w.Errorf("%v: %s", err, out)
		}
	})
}

// The product runs as the role it needs, and somebody who owns the server edits
// what a person did.
func TestATamperedAuditLogIsFoundFromOutside(t *testing.T) {
	w := newWorld(t, nil)
	w.execute(fmt.Sprintf("alter database %q set role paysaga_app", strings.TrimPrefix(w.namespace, "payments-")))
	for _, member := range append(w.fleet.APIs[:1:1], w.fleet.Workers[0]) {
		if err := errors.Join(member.Stop(), member.Restart(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	number := w.order(tea)
	w.plan(number, simulator.Plan{Shop: "fail"})
	id := w.pay(number, simulator.PayRequest{})
	w.reaches(id, "paid")
	w.ask(id, "compensate", w.fleet.Tokens.Support, map[string]any{"reason": "customer cancelled by phone"})
	w.endsRefunded(id, number)

	out, err := w.fleet.Run(t.Context(), "audit", "verify")
	if err != nil || !strings.Contains(out, "2 rows, unbroken") {
		t.Fatalf("%v: %s", err, out)
	}
	head := out[strings.LastIndex(out, " ")+1 : len(out)-1]
	if out, err := w.fleet.Run(t.Context(), "audit", "verify", "--head", head); err != nil {
		t.Errorf("with its own head: %v: %s", err, out)
	}
	var logged bool
	for line := range strings.Lines(w.fleet.Logs(1000)) {
		logged = logged || strings.Contains(line, `"msg":"audit head"`)
	}
	if !logged {
		t.Error("no worker wrote the head into its log")
	}

	w.execute(`delete from audit_log where seq = 2`, "42501")                // as the product
	w.execute(`set role none; delete from audit_log where seq = 2`, "42501") // as the owner
	w.execute(`set role none; alter table audit_log disable trigger user; delete from audit_log where seq = 2`)
	if out, err := w.fleet.Run(t.Context(), "audit", "verify"); err != nil {
		t.Errorf("a tail that is gone leaves no trace: %v: %s", err, out)
	}
	if out, err := w.fleet.Run(t.Context(), "audit", "verify", "--head", head); err == nil || !strings.Contains(out, "cut off") {
		t.Errorf("a tail that is gone: %v: %s", err, out)
	}
	if out, err := w.fleet.Run(t.Context(), "audit", "verify", "--head", "2"); err == nil || !strings.Contains(out, "SEQ:HASH") {
		t.Errorf("half a head: %v: %s", err, out)
	}
}

// execute runs sql on the books as their owner; refused names the SQLSTATE it is
// to be refused with.
func (w *world) execute(sql string, refused ...string) {
	w.Helper()
	conn, err := pgx.Connect(w.Context(), w.databaseURL)
	if err != nil {
		w.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(w.Context()))
	_, err = conn.Exec(w.Context(), sql)
	switch {
	case len(refused) == 0 && err != nil:
		w.Fatalf("%s: %v", sql, err)
	case len(refused) > 0 && (err == nil || !strings.Contains(err.Error(), refused[0])):
		w.Errorf("%s: %v, want %s", sql, err, refused[0])
	}
}

const brokenChainSQL = `
select count(*)
  from (select seq, doc, prev_hash, hash, lag(hash) over w as before, lag(seq) over w as last
          from audit_log window w as (order by seq)) row
 where hash <> sha256(prev_hash || convert_to(doc, 'UTF8'))
    or last is null and seq <> 1
    or last is not null and (seq <> last + 1 or prev_hash <> before)`

// unbroken demands that every row of the audit log follows from the one before,
// whatever else was broken in this world. It asks Postgres, and not our own code.
func (w *world) unbroken() {
	w.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, w.databaseURL)
	if err != nil {
		w.Error(err)
		return
	}
	defer conn.Close(ctx)
	var broken int
	if err := conn.QueryRow(ctx, brokenChainSQL).Scan(&broken); err != nil || broken > 0 {
		w.Errorf("%d rows of the audit log do not follow from the one before: %v", broken, err)
	}
}
