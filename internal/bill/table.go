package bill

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// maxLine bounds a line, in bytes. Real ones have a few hundred.
const maxLine = 64 << 10

var (
	mark      = []byte{0xEF, 0xBB, 0xBF} // the byte order mark
	separator = []byte(",`")

	// beijing is the zone of a bill's times, which name none.
	beijing = time.FixedZone("CST", 8*60*60)
)

// table is a bill under the reader's finger: the header in force, the row that is
// being read, and the first thing that went wrong. After that it reads nothing
// more and every field is empty.
type table struct {
	text   *bufio.Reader
	day    time.Time
	line   int
	column map[string]int // by its name in the header
	width  int            // of the header, in columns
	loose  int            // the first column of free text; width for none
	fields [][]byte       // the row, without its backticks; good until the next
	other  []byte         // the row that was no data, nil at the end; good until the next
	fault  error
}

// open reads a bill as far as its first header. Free is the first of its columns
// that hold free text.
func open(text io.Reader, day, free string) *table {
	t := &table{text: bufio.NewReaderSize(text, maxLine)}
	var err error
	if t.day, err = time.ParseInLocation(time.DateOnly, day, beijing); err != nil {
		t.fault = payment.Failf(payment.Invalid, "no_such_day", "a day is written YYYY-MM-DD")
	}
	t.header(free)
	return t
}

// header makes the next row the header of those after it.
func (t *table) header(free string) {
	if t.other == nil && t.next() || t.other == nil {
		t.fail("a header should stand here")
	}
	names := strings.Split(string(t.other), ",")
	t.column, t.width, t.loose, t.other = make(map[string]int, len(names)), len(names), len(names), nil
	for i, name := range names {
		t.column[name] = i
		if name == free {
			t.loose = i
		}
	}
}

// next moves to the next row of data. It is false where there is none: at a
// header, at the end, and after a fault.
func (t *table) next() bool {
	t.other, t.fields = nil, t.fields[:0]
	if t.fault != nil {
		return false
	}
	row, err := t.row()
	switch {
	case err != nil:
		t.fault = err
	case len(row) > 0 && row[0] == '`':
		t.split(row[1:])
		return t.fault == nil
	default:
		t.other = row
	}
	return false
}

// row is the next line that is not empty, without its end; nil at the end of the
// bill. An error of the reader is returned as it is.
func (t *table) row() ([]byte, error) {
	for {
		t.line++
		row, err := t.text.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return nil, t.unreadable("it is too long")
		case err != nil && !errors.Is(err, io.EOF):
			return nil, err
		case t.line == 1:
			row = bytes.TrimPrefix(row, mark)
		}
		if row = bytes.TrimRight(row, "\r\n"); len(row) > 0 {
			return row, nil
		}
		if err != nil {
			return nil, nil
		}
	}
}

// split takes a row apart. A comma separates only before a backtick, because the
// names of goods have commas and quotes of their own. If one holds both, the
// surplus is its: what stands to the right of free text is counted from the right.
func (t *table) split(row []byte) {
	for more := true; more; {
		var field []byte
		field, row, more = bytes.Cut(row, separator)
		t.fields = append(t.fields, field)
	}
	surplus := len(t.fields) - t.width
	switch {
	case surplus < 0, surplus > 0 && t.loose == t.width:
		t.fail("it has %d fields, and the header %d", len(t.fields), t.width)
	case surplus > 0:
		t.fields = slices.Delete(t.fields, t.loose+1, t.loose+1+surplus)
	}
}

// known is the first of a column's names, over the years, that the header has; ""
// for none.
func (t *table) known(names ...string) string {
	for _, name := range names {
		if _, known := t.column[name]; known {
			return name
		}
	}
	return ""
}

// field is the row's field of that name.
func (t *table) field(names ...string) string {
	i, known := t.column[t.known(names...)]
	if !known {
		t.fail("there is no column %s", names[0])
	}
	if t.fault != nil {
		return ""
	}
	return string(t.fields[i])
}

// number is a number that not every row has, or not every kind of bill. Where
// there is none, bills say 0.
func (t *table) number(names ...string) string {
	if t.known(names...) == "" {
		return ""
	}
	if text := t.field(names...); text != "0" {
		return text
	}
	return ""
}

// figure is the row's figure of that name.
func (t *table) figure(decimals int, names ...string) int64 {
	text := t.field(names...)
	n, err := figure(text, decimals)
	if err != nil {
		t.fail("%s is no figure", t.known(names...))
	}
	return n
}

// time is the row's time, which must lie in the bill's day.
func (t *table) time(names ...string) time.Time {
	at, err := time.ParseInLocation(time.DateTime, t.field(names...), beijing)
	if err != nil || at.Before(t.day) || !at.Before(t.day.AddDate(0, 0, 1)) {
		t.fail("%s is no time of that day", t.known(names...))
	}
	return at
}

// summary moves to the last row of the bill, which sums it up.
func (t *table) summary() {
	t.header("")
	if t.fault == nil && !t.next() {
		t.fail("a summary should stand here")
	}
}

// sum is a figure of the summary, which must be what the lines add up to.
func (t *table) sum(lines int64, decimals int, names ...string) int64 {
	said := t.figure(decimals, names...)
	if said != lines {
		t.fail("%s is %d, and the lines add up to %d", t.known(names...), said, lines)
	}
	return said
}

// end says how the reading went. Nothing may follow the summary.
func (t *table) end() error {
	if more := t.next(); more || t.other != nil {
		t.fail("something follows the summary")
	}
	return t.fault
}

// fail keeps the first fault. It names the line, and of what stands there only
// figures: a bill is full of payers.
func (t *table) fail(format string, args ...any) {
	if t.fault == nil {
		t.fault = t.unreadable(format, args...)
	}
}

func (t *table) unreadable(format string, args ...any) error {
	return payment.Failf(payment.Unknown, activities.CodeBillUnreadable, "line %d of the bill: "+format, append([]any{t.line}, args...)...)
}
