package console

import "net/http"

type loginPage struct {
	Next string
	SSO  bool
	No   string // why somebody is here again
}

// login is the one page for who is not signed in. The form goes to whoever keeps
// the sessions.
func (s *server) login(w http.ResponseWriter, r *http.Request) {
	v := &visit{w: w, r: r, lang: s.languageOf(r), server: s}
	if _, ok := s.Sessions.Caller(r); ok {
		http.Redirect(w, r, back(r.URL.Query().Get("next")), http.StatusSeeOther)
		return
	}
	it := loginPage{Next: back(r.URL.Query().Get("next")), SSO: s.Sessions.SingleSignOn()}
	status := http.StatusOK
	switch r.URL.Query().Get("why") {
	case "refused":
		it.No, status = v.t("login.refused"), http.StatusUnauthorized
	case "ended":
		it.No = v.t("login.ended")
	}
	if err := v.show(status, "login.html", frame{Title: v.t("login.title"), It: it}); err != nil {
		v.wrong(err)
	}
}
