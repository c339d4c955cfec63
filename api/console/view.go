package console

import (
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/paysaga/paysaga/internal/payment"
)

// parse reads every page once a language. The program does not start with a page
// that cannot be read.
func parse() map[language]*template.Template {
	pages := map[language]*template.Template{}
	for _, l := range []language{chinese, english} {
		pages[l] = template.Must(template.New("").Funcs(functions(l)).ParseFS(files, "templates/*.html"))
	}
	return pages
}

func functions(l language) template.FuncMap {
	t := func(key string, with ...any) string {
		if len(with) == 0 {
			return text(l, key)
		}
		return fmt.Sprintf(text(l, key), with...)
	}
	return template.FuncMap{
		"t":    t,
		"yuan": yuan,
		// perhaps is an amount that one side may not have.
		"perhaps": func(fen *int64) string {
			if fen == nil {
				return "—"
			}
			return yuan(*fen)
		},
		"milli": func(milliFen int64) string { return yuan(milliFen / 1000) },
		// word is a state or kind of the books in the reader's language.
		"word": func(family string, value any) string {
			key := fmt.Sprintf("%s.%v", family, value)
			if _, ok := texts[key]; ok {
				return text(l, key)
			}
			return fmt.Sprint(value)
		},
		"knows": func(family string, value any) bool { _, ok := texts[fmt.Sprintf("%s.%v", family, value)]; return ok },
		"at":    func(at time.Time) string { return at.In(payment.Beijing).Format("2006-01-02 15:04:05") },
		"iso":   func(at time.Time) string { return at.UTC().Format(time.RFC3339) },
		"due":   func(due, now time.Time) string { return awayFrom(l, due, now) },
		"past":  func(due, now time.Time) bool { return due.Before(now) },
		"dict":  dict,
		"goods": func() []payment.Goods {
			return []payment.Goods{payment.GoodsStop, payment.GoodsReturned, payment.GoodsKept}
		},
		"join": strings.Join,
	}
}

// yuan writes fen as people read money: ¥1,234.50.
func yuan(fen int64) string {
	sign := ""
	if fen < 0 {
		sign, fen = "-", -fen
	}
	whole := fmt.Sprint(fen / 100)
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	return fmt.Sprintf("%s¥%s.%02d", sign, whole, fen%100)
}

// awayFrom says how far away a moment is, in the largest unit that says enough.
func awayFrom(l language, due, now time.Time) string {
	left := due.Sub(now)
	key := "due.in"
	if left < 0 {
		left, key = -left, "due.ago"
	}
	var span string
	switch {
	case left < time.Hour:
		span = fmt.Sprintf(text(l, "span.minutes"), int(left.Minutes()))
	case left < 48*time.Hour:
		span = fmt.Sprintf(text(l, "span.hours"), int(left.Hours()))
	default:
		span = fmt.Sprintf(text(l, "span.days"), int(left.Hours()/24))
	}
	return fmt.Sprintf(text(l, key), span)
}

// dict hands several values to a part of a page.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict wants pairs")
	}
	m := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict wants names")
		}
		m[name] = pairs[i+1]
	}
	return m, nil
}
