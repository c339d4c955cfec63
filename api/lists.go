package api

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/paysaga/paysaga/internal/payment"
	"github.com/paysaga/paysaga/internal/strictjson"
)

// How many items a page of a list has.
const (
	itemsByDefault = 20
	itemsAtMost    = 100
)

// pageOf is one page of a list. NextCursor asks for the next one, and is empty on
// the last.
type pageOf[T any] struct {
	Items      []T    `json:"items"`
	NextCursor string `json:"next_cursor"`
}

// list answers one page: fetch reads it from the books, and place is where an
// item stands in the list's order, from which the next page goes on. It asks for
// one item more than it shows, to know whether there is a next page.
func list[K, T any](w http.ResponseWriter, r *http.Request, q *query,
	fetch func(context.Context, payment.Page[K]) ([]T, error), place func(T) K) error {
	limit, after := q.limit(), cursor[K](q)
	if err := q.mistake(); err != nil {
		return err
	}
	items, err := fetch(r.Context(), payment.Page[K]{After: after, Limit: limit + 1})
	if err != nil {
		return err
	}
	page := pageOf[T]{Items: append([]T{}, items[:min(limit, len(items))]...)}
	if len(items) > limit {
		page.NextCursor = encodeCursor(place(items[limit-1]))
	}
	return reply(w, http.StatusOK, page)
}

// query reads what a list is asked for. Whatever is read by name is known, an
// empty value is none, and the first mistake is kept for the answer: 422.
type query struct {
	values url.Values
	known  []string
	err    error
}

func queryOf(r *http.Request) *query {
	values, err := url.ParseQuery(r.URL.RawQuery)
	q := &query{values: values}
	if err != nil {
		q.err = payment.Failf(payment.Invalid, "invalid_query", "the query cannot be read")
	}
	return q
}

func (q *query) wrong(name, must string) {
	if q.err == nil {
		q.err = invalid(name, must)
	}
}

// mistake is what is wrong with the query, nil if nothing is. It is asked last,
// when every known name was read.
func (q *query) mistake() error {
	for name := range q.values {
		if q.err == nil && !slices.Contains(q.known, name) {
			q.err = payment.Failf(payment.Invalid, "unknown_parameter", "this list knows %s", strings.Join(q.known, ", "))
		}
	}
	return q.err
}

// text is a value of at most 64 printable characters.
func (q *query) text(name string) string {
	q.known = append(q.known, name)
	values := q.values[name]
	if len(values) == 0 || len(values) == 1 && values[0] == "" {
		return ""
	}
	if len(values) > 1 || !label(values[0]) {
		q.wrong(name, "must be one value of 1-64 characters, without control characters")
		return ""
	}
	return values[0]
}

// choice is one of a few words.
func (q *query) choice(name string, words ...string) string {
	word := q.text(name)
	if word != "" && !slices.Contains(words, word) {
		q.wrong(name, "must be one of "+strings.Join(words, ", "))
	}
	return word
}

// A word of ours: a kind, a verdict, an event.
var wordOfOurs = regexp.MustCompile(`^[a-z_.]{1,64}$`)

// word is one word of a set too large to list here; an unknown one finds nothing.
func (q *query) word(name string) string {
	word := q.text(name)
	if word != "" && !wordOfOurs.MatchString(word) {
		q.wrong(name, "must be a word of a-z, _ and .")
	}
	return word
}

// flag is true or false, or nil where it was not given.
func (q *query) flag(name string) *bool {
	switch q.choice(name, "true", "false") {
	case "true":
		return new(true)
	case "false":
		return new(false)
	}
	return nil
}

func (q *query) limit() int {
	text := q.text("limit")
	if text == "" {
		return itemsByDefault
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > itemsAtMost || text != strconv.Itoa(n) {
		q.wrong("limit", "must be a number from 1 to "+strconv.Itoa(itemsAtMost))
		return itemsByDefault
	}
	return n
}

// cursor is where a page goes on; nil at the start. A cursor is no secret and no
// right: whoever makes one up that has its shape sees what they may see anyway,
// from another place. Anything else is a mistake.
func cursor[K any](q *query) *K {
	q.known = append(q.known, "cursor")
	text := q.values.Get("cursor")
	if text == "" && len(q.values["cursor"]) <= 1 {
		return nil
	}
	place := new(K)
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(q.values["cursor"]) > 1 || strictjson.Decode(raw, place) != nil || encodeCursor(*place) != text {
		q.wrong("cursor", "must be the next_cursor of the page before")
		return nil
	}
	return place
}

// encodeCursor is the one way to write a place down, so that a cursor with a field
// missing, or written otherwise, is not taken for one.
func encodeCursor(place any) string {
	raw, err := json.Marshal(place)
	if err != nil {
		panic(err) // a place is times, numbers and words
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}
