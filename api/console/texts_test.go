package console

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// constants are the values of one type's string constants, read from its source:
// a new state or kind that has no words fails here, and not before a person.
func constants(t *testing.T, file, kind string) []string {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	ast.Inspect(tree, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if name, ok := spec.Type.(*ast.Ident); ok && name.Name == kind {
			for _, v := range spec.Values {
				if text, err := strconv.Unquote(v.(*ast.BasicLit).Value); err == nil {
					values = append(values, text)
				}
			}
		}
		return true
	})
	if len(values) == 0 {
		t.Fatalf("no %s in %s", kind, file)
	}
	return values
}

func TestEveryWordOfTheBooksHasWordsForPeople(t *testing.T) {
	books := "../../internal/payment/"
	for _, row := range []struct{ file, kind, family string }{
		{books + "case.go", "CaseKind", "case"},
		{books + "case.go", "CaseKind", "todo"},
		{books + "report.go", "DifferenceKind", "case"},
		{books + "report.go", "ReportState", "report"},
		{books + "report.go", "Became", "became"},
		{books + "payment.go", "Stage", "stage"},
		{books + "request.go", "RequestState", "request"},
		{books + "request.go", "RequestKind", "act"},
		{books + "refund.go", "RefundState", "refund"},
		{books + "books.go", "Goods", "plan.goods"},
		{"../auth.go", "Role", "role"},
	} {
		for _, value := range constants(t, row.file, row.kind) {
			if _, ok := texts[row.family+"."+value]; !ok {
				t.Errorf("%s.%s has no text", row.family, value)
			}
		}
	}
}

// What can happen to a case is a list in the schema.
func TestWhateverHappensToACaseHasWords(t *testing.T) {
	schema, err := os.ReadFile("../../internal/postgres/migrations/0009_cases.sql")
	if err != nil {
		t.Fatal(err)
	}
	list := regexp.MustCompile(`check \(what in \(([^)]+)\)`).FindSubmatch(schema)
	if list == nil {
		t.Fatal("no list of what happens to a case")
	}
	for _, what := range regexp.MustCompile(`\w+`).FindAllString(string(list[1]), -1) {
		if _, ok := texts["caseevent."+what]; !ok {
			t.Errorf("caseevent.%s has no text", what)
		}
	}
}

// The texts that pages and code name, and those that are there, are the same.
func TestNoTextIsMissingAndNoneIsForgotten(t *testing.T) {
	literal := regexp.MustCompile(`(?:\bt|title|text)[ (](?:v\.lang, |l, )?"([a-z0-9.]*[a-z0-9])"`)
	family := regexp.MustCompile(`(?:word|knows) "([a-z.]+)"|print "([a-z.]+)\."|"([a-z.]+)\." ?\+`)
	named, families := map[string]bool{}, map[string]bool{}
	for _, pattern := range []string{"*.go", "templates/*.html"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasPrefix(file, "texts") {
				continue
			}
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range literal.FindAllStringSubmatch(string(source), -1) {
				named[m[1]] = true
			}
			for _, m := range family.FindAllStringSubmatch(string(source), -1) {
				families[strings.TrimSuffix(m[1]+m[2]+m[3], ".")] = true
			}
			for _, m := range regexp.MustCompile(`"(due\.\w+|span\.\w+)"`).FindAllStringSubmatch(string(source), -1) {
				named[m[1]] = true
			}
		}
	}
	for key := range named {
		if _, ok := texts[key]; !ok {
			t.Errorf("%s is named and has no text", key)
		}
	}
	for key, row := range texts {
		at := strings.LastIndex(key, ".")
		if !named[key] && !families[key[:at]] && !families[strings.SplitN(key, ".", 2)[0]] {
			t.Errorf("%s is on no page", key)
		}
		if row[0] == "" || row[1] == "" {
			t.Errorf("%s is empty in a language", key)
		}
		if strings.Count(row[0], "%") != strings.Count(row[1], "%") {
			t.Errorf("%s: the languages take different figures", key)
		}
	}
}
