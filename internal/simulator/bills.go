package simulator

import (
	"bytes"
	"compress/gzip"
	"crypto/sha1"
	"encoding/hex"
	"net/http"
	"slices"
	"sync"
	"time"
)

// offerLife is how long a bill can be downloaded after it was offered.
const offerLife = 5 * time.Minute

// offers are the bills that can be downloaded now, by token. A bill is made when it
// is asked for and does not change afterwards; a restart forgets them all, as if
// they had run out.
type offers struct {
	mu    sync.Mutex
	bills map[string]offer
}

type offer struct {
	file    []byte
	expires time.Time
}

func (o *offers) put(file []byte, now, expires time.Time) (token string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.bills == nil {
		o.bills = map[string]offer{}
	}
	for token, old := range o.bills {
		if !now.Before(old.expires) {
			delete(o.bills, token)
		}
	}
	token = hexText(32)
	o.bills[token] = offer{file, expires}
	return token
}

func (o *offers) get(token string, now time.Time) ([]byte, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	bill := o.bills[token]
	return bill.file, now.Before(bill.expires)
}

// dayPlan is what was planned for the bills of one day.
type dayPlan struct {
	Day string `json:"day"`
	BillPlan
}

// spend returns the plan as it holds for the next call, and the fact that one of
// its times is used up, if they are counted.
func (p dayPlan) spend() (BillPlan, []fact) {
	if p.Times == 0 {
		return p.BillPlan, nil
	}
	rest := p
	if rest.Times--; rest.Times == 0 {
		rest.State, rest.Spoil = "", ""
	}
	return p.BillPlan, []fact{{DayPlan: &rest}}
}

func (s *simulator) planBills(r *http.Request, in BillPlan) (BillPlan, error) {
	day := r.PathValue("day")
	switch _, err := time.Parse(time.DateOnly, day); {
	case err != nil:
		return BillPlan{}, invalid("a day is YYYY-MM-DD")
	case !slices.Contains([]string{"", "creating", "none", "fail", "limited"}, in.State):
		return BillPlan{}, invalid("state must be creating, none, fail or limited")
	case !slices.Contains([]string{"", "hash", "truncate", "summary", "expired"}, in.Spoil):
		return BillPlan{}, invalid("spoil must be hash, truncate, summary or expired")
	case in.Times < 0:
		return BillPlan{}, invalid("times cannot be negative")
	}
	for i, x := range in.ExtraLines {
		if x.TransactionID == "" || x.AmountFen < 1 {
			return BillPlan{}, invalid("extra line %d needs a transaction_id and an amount_fen", i)
		}
	}
	s.ledger.change(func(*book) []fact { return []fact{{DayPlan: &dayPlan{day, in}}} })
	return in, nil
}

// offerBill answers the call for a bill with where to fetch it.
func (s *simulator) offerBill(write func([]billed, time.Time, BillPlan) []byte) func(*call) answer {
	return func(c *call) answer {
		query := c.URL.Query()
		day, err := time.ParseInLocation(time.DateOnly, query.Get("bill_date"), beijing)
		for name, known := range map[string]string{"bill_type": "ALL", "account_type": "BASIC", "tar_type": "GZIP"} {
			if said := query.Get(name); said != "" && said != known {
				return refuse(http.StatusBadRequest, "PARAM_ERROR", name+" can only be "+known+" here")
			}
		}
		if err != nil {
			return refuse(http.StatusBadRequest, "PARAM_ERROR", "bill_date must be YYYY-MM-DD")
		}
		var plan BillPlan
		var items []billed
		s.ledger.change(func(b *book) (used []fact) {
			if p := b.dayPlans[query.Get("bill_date")]; p != nil {
				plan, used = p.spend()
			}
			items = s.billed(b, plan)
			return used
		})
		now := s.clock.now()
		if a, refused := withhold(plan, day, now); refused {
			return a
		}
		if !slices.ContainsFunc(items, func(x billed) bool { return x.on(day) }) {
			return refuse(http.StatusBadRequest, "NO_STATEMENT_EXIST", "nothing was traded on that day")
		}
		return s.offered(c, write(items, day, plan), plan.Spoil, now)
	}
}

// withhold says why there is no bill of a day, if there is none: they are made from
// nine the next morning on, and kept three months.
func withhold(plan BillPlan, day, now time.Time) (a answer, refused bool) {
	creating := refuse(http.StatusBadRequest, "STATEMENT_CREATING", "the bill is being made")
	switch plan.State {
	case "creating":
		return creating, true
	case "none":
		return refuse(http.StatusBadRequest, "NO_STATEMENT_EXIST", "by plan"), true
	case "fail":
		return refuse(http.StatusInternalServerError, "SYSTEM_ERROR", "by plan"), true
	case "limited":
		return refuse(http.StatusTooManyRequests, "FREQUENCY_LIMITED", "too many requests"), true
	}
	switch over := day.AddDate(0, 0, 1); {
	case plan.Early:
		return answer{}, false
	case now.Before(over), now.After(day.AddDate(0, 3, 1)):
		return refuse(http.StatusBadRequest, "INVALID_REQUEST", "bill_date must be of the last three months, and not today"), true
	case now.Before(over.Add(9 * time.Hour)):
		return creating, true
	}
	return answer{}, false
}

// offered puts a bill up for download, spoilt if that is planned.
func (s *simulator) offered(c *call, text []byte, spoil string, now time.Time) answer {
	hash := sha1.Sum(text)
	file := text
	if c.URL.Query().Get("tar_type") == "GZIP" {
		var zipped bytes.Buffer
		w := gzip.NewWriter(&zipped)
		w.Write(text) // into memory: cannot fail
		w.Close()
		file = zipped.Bytes()
	}
	expires := now.Add(offerLife)
	switch spoil {
	case "hash":
		hash[0] ^= 1
	case "truncate":
		file = file[:len(file)/2]
	case "expired":
		expires = now
	}
	return answer{http.StatusOK, map[string]string{
		"hash_type": "SHA1", "hash_value": hex.EncodeToString(hash[:]),
		"download_url": "http://" + c.Host + "/v3/billdownload/file?token=" + s.offers.put(file, now, expires),
	}}
}

// downloadBill hands a bill over. What it sends is not signed.
func (s *simulator) downloadBill(w http.ResponseWriter, r *http.Request) {
	c := &call{Request: r}
	if refusal, ok := s.verifyMerchant(c); !ok {
		s.reply(w, c, refusal, party{})
		return
	}
	file, ok := s.offers.get(r.URL.Query().Get("token"), s.clock.now())
	if !ok {
		s.reply(w, c, refuse(http.StatusForbidden, "NO_AUTH", "the download has run out, or is another merchant's"), party{})
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Write(file)
}
