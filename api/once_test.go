package api_test

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/paysaga/paysaga/internal/payment"
)

// leaseEnds is half a minute later: whoever was in flight is not any more.
func (d *desk) leaseEnds(t *testing.T) {
	t.Helper()
	d.Exec(t, `update idempotency_keys set leased_until = now() where answer is null`)
}

func TestAPostWantsOneIdempotencyKey(t *testing.T) {
	d := newDesk(t)
	for name, row := range map[string]struct {
		keys   []string
		status int
		code   string
	}{
		"none":                   {nil, 400, "idempotency_key_missing"},
		"an empty one":           {[]string{""}, 400, "idempotency_key_missing"},
		"two":                    {[]string{"K1", "K2"}, 400, "idempotency_key_invalid"},
		"the same twice":         {[]string{"K1", "K1"}, 400, "idempotency_key_invalid"},
		"a space in it":          {[]string{"K 1"}, 400, "idempotency_key_invalid"},
		"not ASCII":              {[]string{"K\u00e9"}, 400, "idempotency_key_invalid"},
		"256 characters":         {[]string{strings.Repeat("k", 256)}, 400, "idempotency_key_invalid"},
		"255 visible characters": {[]string{strings.Repeat("~!\"", 85)}, 201, ""},
	} {
		t.Run(name, func(t *testing.T) {
			before := d.Int(t, `select count(*) from orders`)
			request, err := http.NewRequestWithContext(t.Context(), "POST", d.url+"/v1/orders", strings.NewReader(tea))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Authorization", "Bearer "+secretOf("shop"))
			request.Header["Idempotency-Key"] = row.keys
			do(t, request).wants(t, row.status, row.code)
			if now := d.Int(t, `select count(*) from orders`); (now > before) != (row.status == 201) {
				t.Errorf("%d orders more", now-before)
			}
		})
	}
	if n := d.Int(t, `select count(*) from audit_log where decision = 'DENY'`); n != 0 {
		t.Errorf("%d acts were denied that nobody could have meant", n)
	}
}

func TestTheSameKeyRepeatsTheAnswer(t *testing.T) {
	d := newDesk(t)
	d.paid(t, "4200001", 200_000, payment.Paid, "")
	d.paid(t, "4200002", 200_000, payment.Refunded, "")
	waits := d.call(t, "ann", "POST", "/v1/payments/4200001/compensate", reason("")).wants(t, 202, "").text("request_id")
	anyNumber := strings.Replace(tea, `"out_trade_no":"TEA-0001",`, "", 1)
	for name, row := range map[string]struct {
		who, path, body string
		status          int
	}{
		"an order":                    {"shop", "/v1/orders", tea, 201},
		"an order without a number":   {"shop", "/v1/orders", anyNumber, 201},
		"an order that cannot be":     {"shop", "/v1/orders", `{"amount_fen":0}`, 422},
		"a close":                     {"shop", "/v1/orders/TEA-NONE/close", "", 404},
		"an approval":                 {"dora", "/v1/requests/" + waits + "/approve", reason(""), 202},
		"an act that came too late":   {"ann", "/v1/payments/4200002/compensate", reason(""), 409},
		"a payment that nobody knows": {"ann", "/v1/payments/4200003/retry", reason(""), 404},
		"many that cannot be undone":  {"ann", "/v1/compensations", `{"transaction_ids":["4200002","4200003"],"reason":` + because + `}`, 200},
	} {
		t.Run(name, func(t *testing.T) {
			key := rand.Text()
			first := d.again(t, key, row.who, "POST", row.path, row.body)
			if first.status != row.status {
				t.Fatalf("answered %d %s", first.status, first.raw)
			}
			acts, calls := d.Int(t, `select count(*) from audit_log`), d.till.calls
			second := d.again(t, key, row.who, "POST", row.path, row.body)
			for _, header := range []string{"Location", "Content-Type", "Cache-Control"} {
				if first.header.Get(header) != second.header.Get(header) {
					t.Errorf("%s was %q, is %q", header, first.header.Get(header), second.header.Get(header))
				}
			}
			if second.status != first.status || second.raw != first.raw || second.header.Get("Idempotency-Replayed") != "true" {
				t.Errorf("answered %d %s, was %d %s", second.status, second.raw, first.status, first.raw)
			}
			if d.Int(t, `select count(*) from audit_log`) != acts || d.till.calls != calls {
				t.Error("it was done again")
			}
			d.again(t, key, row.who, "POST", row.path, row.body+" ").wants(t, 422, "idempotency_key_reused")
			d.again(t, key, row.who, "POST", row.path+"?", row.body).wants(t, 422, "idempotency_key_reused")
		})
	}
}

// Keys are scoped to the token, and shared by every api on the same books.
func TestAKeyIsItsTokensOwn(t *testing.T) {
	d := newDesk(t)
	body := strings.Replace(tea, `"out_trade_no":"TEA-0001",`, "", 1)
	mine := d.again(t, "K1", "shop", "POST", "/v1/orders", body).wants(t, 201, "").text("out_trade_no")
	theirs := d.again(t, "K1", "stall", "POST", "/v1/orders", body).wants(t, 201, "").text("out_trade_no")
	till := d.again(t, "K1", "shop/till", "POST", "/v1/orders", body).wants(t, 201, "").text("out_trade_no")
	if mine == theirs || mine == till {
		t.Errorf("they share an order: %s, %s, %s", mine, theirs, till)
	}
	other := d.beside(t)
	if got := other.again(t, "K1", "shop", "POST", "/v1/orders", body); got.text("out_trade_no") != mine {
		t.Errorf("the other api answered %d %s", got.status, got.raw)
	}
	d.again(t, "K1", "ann", "POST", "/v1/orders", body).wants(t, 403, "wrong_role") // the right is read anew
}

func TestOfManyAtOnceOneIsInFlight(t *testing.T) {
	d := newDesk(t)
	entered, leave := make(chan struct{}), make(chan struct{})
	enter := sync.OnceFunc(func() { close(entered) })
	d.till.after = func(ctx context.Context) error {
		enter()
		select {
		case <-leave:
		case <-ctx.Done():
		}
		return nil
	}
	var everyone sync.WaitGroup
	everyone.Go(func() { d.again(t, "K1", "shop", "POST", "/v1/orders", tea).wants(t, 201, "") })
	<-entered
	for _, desk := range []*desk{d, d.beside(t)} {
		got := desk.again(t, "K1", "shop", "POST", "/v1/orders", tea).wants(t, 409, "idempotency_key_in_use")
		if got.header.Get("Retry-After") == "" {
			t.Error("a 409 that does not say when to come back")
		}
		desk.again(t, "K1", "shop", "POST", "/v1/orders", tea+" ").wants(t, 422, "idempotency_key_reused")
	}
	close(leave)
	everyone.Wait()
	if n := d.Int(t, `select count(*) from audit_log where decision = 'DENY' and doc not like '%reused%'`); n != 0 {
		t.Errorf("%d who waited were written down as denied", n)
	}
}

// Our own fault is not the answer for ever: the same key tries again, at once.
func TestWhatWentWrongOnOurSideIsNotKept(t *testing.T) {
	d := newDesk(t)
	d.till.before = func() error { return payment.Failf(payment.Unknown, "timeout", "no answer") }
	d.again(t, "K1", "shop", "POST", "/v1/orders", tea).wants(t, 503, "prepay_unknown")
	d.till.before = nil
	d.again(t, "K1", "shop", "POST", "/v1/orders", tea).wants(t, 201, "")
	if n := d.Int(t, `select count(*) from audit_log`); n != 1 {
		t.Errorf("%d acts in the log, want the one", n)
	}
}

// An api that died between the act and its answer leaves a lease. When that has
// run out, the same call finds what it made, and makes nothing else.
func TestAfterACrashTheSameCallFindsWhatItMade(t *testing.T) {
	for name, row := range map[string]struct {
		who, path, body string
		status          int
		made            string
	}{
		"an order": {"shop", "/v1/orders", strings.Replace(tea, `"out_trade_no":"TEA-0001",`, "", 1), 201,
			`select string_agg(concat_ws(' ', out_trade_no, state, offer), ',') from orders`},
		"an order with a number": {"shop", "/v1/orders", tea, 201,
			`select string_agg(concat_ws(' ', out_trade_no, state, offer), ',') from orders`},
		"a compensation": {"ann", "/v1/payments/4200001/compensate", reason(""), 202,
			`select string_agg(concat_ws(' ', id, state), ',') from requests where transaction_id = '4200001'`},
		"a part": {"ann", "/v1/payments/4200001/refunds", reason(`,"amount_fen":100`), 202,
			`select string_agg(concat_ws(' ', id, state, out_refund_no), ',') from requests where transaction_id = '4200001'`},
		"many compensations": {"ann", "/v1/compensations", `{"transaction_ids":["4200001","4200002"],"reason":` + because + `}`, 200,
			`select string_agg(concat_ws(' ', id, state), ',' order by id) from requests where id not like 'q%'`},
		"an approval": {"dora", "/v1/requests/q1/approve", reason(""), 202,
			`select concat_ws(' ', id, state, approver, decided_at) from requests where id = 'q1'`},
		"a rejection": {"dora", "/v1/requests/q1/reject", reason(""), 202,
			`select concat_ws(' ', id, state, approver, decided_at) from requests where id = 'q1'`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.paid(t, "4200001", 500, payment.Paid, "")
			d.paid(t, "4200002", 500, payment.Paid, "")
			d.paid(t, "4200003", 500, payment.Paid, "")
			d.Exec(t, `insert into requests (id, transaction_id, kind, state, actor, reason, amount_fen, expires_at)
				values ('q1', '4200003', 'compensate', 'pending_approval', 'ben', '0123456789', 1, now() + interval '1 h')`)
			first := d.again(t, "K1", row.who, "POST", row.path, row.body).wants(t, row.status, "")
			made := d.Text(t, row.made)
			acts := d.audited(t)

			// The answer was neither kept nor sent.
			d.Exec(t, `update idempotency_keys set answer = null, leased_until = now() + interval '30 s'`)
			d.again(t, "K1", row.who, "POST", row.path, row.body).wants(t, 409, "idempotency_key_in_use")
			d.leaseEnds(t)
			second := d.again(t, "K1", row.who, "POST", row.path, row.body).wants(t, row.status, "")

			if now := d.Text(t, row.made); made == "" || now != made {
				t.Errorf("made %s, and then %s", made, now)
			}
			if second.raw != first.raw {
				t.Errorf("answered %s, and then %s", first.raw, second.raw)
			}
			if now := d.audited(t); strings.Join(now, "\n") != strings.Join(acts, "\n") {
				t.Errorf("the audit log says %s\nand then %s", acts, now)
			}
		})
	}
}

// Whoever reads the database can neither use a key nor read what was answered.
func TestAnAnswerIsKeptSealed(t *testing.T) {
	d := newDesk(t)
	jsapi := strings.Replace(tea, `"native"`, `"jsapi","openid":"oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"`, 1)
	first := d.again(t, "a-key-of-mine", "shop", "POST", "/v1/orders", jsapi).wants(t, 201, "")
	kept := d.Text(t, `select string_agg(concat(encode(key || request || answer, 'escape'), call), '') from idempotency_keys`)
	for _, leak := range []string{"prepay", "client", "signed", "TEA-0001", "a-key-of-mine", secretOf("shop")} {
		if strings.Contains(kept, leak) {
			t.Errorf("the books hold %q in the clear", leak)
		}
	}
	d.Exec(t, `update idempotency_keys set answer = set_byte(answer, length(answer) - 1, get_byte(answer, length(answer) - 1) # 1)`)
	d.again(t, "a-key-of-mine", "shop", "POST", "/v1/orders", jsapi).wants(t, 500, "internal")
	if !strings.Contains(first.raw, "signed") {
		t.Errorf("answered %s", first.raw)
	}
}

func TestKeysAreForgottenAfterTwoDays(t *testing.T) {
	d := newDesk(t)
	d.again(t, "K1", "shop", "POST", "/v1/orders", tea).wants(t, 201, "")
	d.Exec(t, `update idempotency_keys set created_at = now() - interval '47 h'`)
	d.call(t, "shop", "POST", "/v1/orders/TEA-0001/close", "").wants(t, 202, "")
	d.again(t, "K1", "shop", "POST", "/v1/orders", tea).wants(t, 201, "")
	d.Exec(t, `update idempotency_keys set created_at = now() - interval '49 h'`)
	d.call(t, "shop", "POST", "/v1/orders/TEA-0001/close", "").wants(t, 202, "")
	if n := d.Int(t, `select count(*) from idempotency_keys`); n != 1 {
		t.Errorf("%d keys are kept, want the new one", n)
	}
	d.again(t, "K1", "shop", "POST", "/v1/orders", tea).wants(t, 409, "order_exists")
}
