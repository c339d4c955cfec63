package stack

import "github.com/paysaga/paysaga/internal/fleet"

// Ports are the wanted ports of a stack, and of what its UI asks; 0, or a port that is taken, means any free one. A UI
// port of 0 means no UI.
type Ports struct {
	Postgres, Temporal, UI int
	Codec                  string // URL that the UI's pages ask for payloads; "" for none
}

// pick takes the wanted port or another one, and says so.
func pick(say Say, what string, wanted int) (int, error) {
	got, err := fleet.FreePort(wanted)
	if err == nil && wanted != 0 && got != wanted {
		say("port %d is taken: %s is on %d", wanted, what, got)
	}
	return got, err
}
