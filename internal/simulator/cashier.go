package simulator

import (
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"rsc.io/qr"
)

// cashierRoutes is where a person pays: pages for a browser or a phone, complete in
// themselves, at the control port.
func (s *simulator) cashierRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /cashier", s.cashierDoor)
	mux.HandleFunc("GET /cashier/{out_trade_no}", func(w http.ResponseWriter, r *http.Request) { s.showCashier(w, r, nil) })
	mux.HandleFunc("POST /cashier/{out_trade_no}", s.payAtCashier)
}

// cashierURL is the page of an order. It has a query, since merchants append
// redirect_url to an h5_url with an ampersand.
func (s *simulator) cashierURL(o *order) string {
	return s.cashier + "/cashier/" + url.PathEscape(o.OutTradeNo) + "?prepay_id=" + o.PrepayID
}

// cashierPage is what the page of one order shows.
type cashierPage struct {
	Order   *order
	Now     time.Time
	PaidAt  time.Time    // when it was last paid; zero if never
	QR      template.URL // a picture of the order's CodeURL
	Truth   Truth
	Problem string // why paying did not work
}

// Payable says whether the order waits to be paid.
func (p cashierPage) Payable() bool { return p.Order.State == "NOTPAY" && !p.Order.expired(p.Now) }

// Lively says whether more is likely to happen soon; the page then looks again by itself.
func (p cashierPage) Lively() bool {
	return p.Problem == "" && p.Now.Sub(p.PaidAt) < time.Minute
}

var (
	//go:embed cashier.html
	cashierText string

	cashierHTML = template.Must(template.New("cashier").Funcs(template.FuncMap{
		"yuan": func(fen int64) string { return fmt.Sprintf("¥%d.%02d", fen/100, fen%100) },
		"time": func(t time.Time) string { return t.In(beijing).Format(time.DateTime) },
	}).Parse(cashierText))
)

// picture is a QR code as the source of an image.
func picture(text string) (template.URL, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return "", fmt.Errorf("simulator: QR code: %w", err)
	}
	return template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(code.PNG())), nil
}

func (s *simulator) showCashier(w http.ResponseWriter, r *http.Request, problem error) {
	no := r.PathValue("out_trade_no")
	page := cashierPage{Now: s.clock.now()}
	s.ledger.read(func(b *book) {
		page.Order, page.Truth = b.of(no).order, truthOf(b, no)
		for _, id := range b.of(no).payments {
			page.PaidAt = b.payments[id].SuccessTime
		}
	})
	if page.Order == nil {
		http.Error(w, "没有这个订单 / no such order", http.StatusNotFound)
		return
	}
	if page.Order.CodeURL != "" {
		var err error
		if page.QR, err = picture(page.Order.CodeURL); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	status := http.StatusOK
	if problem != nil {
		page.Problem, status = problem.Error(), http.StatusConflict
	}
	s.render(w, status, "order", page)
}

// payAtCashier pays once or twice, and comes back to the page, which shows what
// has happened since.
func (s *simulator) payAtCashier(w http.ResponseWriter, r *http.Request) {
	no := r.PathValue("out_trade_no")
	times, in := 1, PayRequest{}
	switch r.PostFormValue("how") {
	case "once":
	case "again":
		in.Again = true
	case "twice":
		times, in.Again = 2, true
	default:
		http.Error(w, "how must be once, again or twice", http.StatusUnprocessableEntity)
		return
	}
	for range times {
		if _, err := s.payOrder(no, in, 0); err != nil {
			s.showCashier(w, r, err)
			return
		}
	}
	http.Redirect(w, r, "/cashier/"+url.PathEscape(no), http.StatusSeeOther)
}

// cashierDoor finds a page by the text of a QR code, or lists the orders that wait.
func (s *simulator) cashierDoor(w http.ResponseWriter, r *http.Request) {
	if code, err := url.Parse(r.FormValue("code_url")); err == nil && code.Query().Get("pr") != "" {
		http.Redirect(w, r, "/cashier/"+url.PathEscape(code.Query().Get("pr")), http.StatusSeeOther)
		return
	}
	var waiting []*order
	s.ledger.read(func(b *book) {
		for d := range maps.Values(b.dossiers) {
			if o := d.order; o != nil && o.State == "NOTPAY" && !o.expired(s.clock.now()) {
				waiting = append(waiting, o)
			}
		}
	})
	slices.SortFunc(waiting, func(a, b *order) int { return b.CreatedAt.Compare(a.CreatedAt) })
	s.render(w, http.StatusOK, "door", waiting[:min(len(waiting), 50)])
}

// render writes a page that may load nothing but itself.
func (s *simulator) render(w http.ResponseWriter, status int, name string, data any) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if err := cashierHTML.ExecuteTemplate(w, name, data); err != nil {
		s.Log.Error("cashier's page not written", "err", err)
	}
}
