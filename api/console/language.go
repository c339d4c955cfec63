package console

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// language is what a person reads; the index of a text's columns.
type language int

const (
	chinese language = iota
	english
)

// Code is the language's name in HTML.
func (l language) Code() string { return [...]string{"zh-CN", "en"}[l] }

// Other is what the switch leads to.
func (l language) Other() language { return 1 - l }

const languageCookie = "paysaga-language"

// languageOf is what the person chose, or else what their browser asks for first.
func (s *server) languageOf(r *http.Request) language {
	chosen := r.Header.Get("Accept-Language")
	if cookie, err := r.Cookie(s.cookieName(languageCookie)); err == nil {
		chosen = cookie.Value
	}
	if strings.HasPrefix(strings.ToLower(chosen), "en") {
		return english
	}
	return chinese
}

// speak changes the language and goes back to the page.
func (s *server) speak(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	s.setCookie(w, languageCookie, r.PostFormValue("language"), int((365 * 24 * time.Hour).Seconds()))
	http.Redirect(w, r, back(r.PostFormValue("next")), http.StatusSeeOther)
}

// back is a page of the console to go to, and never another's address.
func back(next string) string {
	if !strings.HasPrefix(next, "/console/") || strings.Contains(next, `\`) {
		return "/console/"
	}
	return next
}

// text is one text in both languages. An unknown key is shown as it is: a new
// word of the books must not break a page.
func text(l language, key string) string {
	if row, ok := texts[key]; ok {
		return row[l]
	}
	return key
}

func (v *visit) t(key string) string { return text(v.lang, key) }

// title is a text with figures in it.
func (v *visit) title(key string, with ...any) string { return fmt.Sprintf(v.t(key), with...) }
