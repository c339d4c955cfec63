package explain

import (
	"fmt"
	"io"
)

// Print writes the account for a person to read.
func (a Account) Print(out io.Writer, note string) {
	for _, phase := range a.Phases {
		fmt.Fprintf(out, "%-10s %s\n", phase.State, phase.Checks)
		if phase.State == broken {
			fmt.Fprintf(out, "%10s %s: %s\n", "", a.Failed, a.Why)
		}
	}
	for _, line := range []string{a.Hint, a.Note, note} {
		if line != "" {
			fmt.Fprintf(out, "\n%s\n", line)
		}
	}
	if len(a.Facts) > 0 {
		fmt.Fprintln(out)
	}
	for _, fact := range a.Facts {
		fmt.Fprintf(out, "%-16s %s\n", fact.Name, fact.Value)
	}
	fmt.Fprintf(out, "\nthe api answers %d %s\n", a.Status, a.Answer)
}
