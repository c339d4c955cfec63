package activities

import (
	"context"
	"time"
)

// UpkeepLedger is what upkeep needs of the books.
type UpkeepLedger interface {
	// TidyCallbacks makes room for the callbacks of the months to come, and drops
	// those that are too old to be asked about, by the clock it is given. Busy
	// while somebody else needs the table.
	TidyCallbacks(ctx context.Context, now time.Time) error
	// NoteSuccess writes down that what is on this schedule succeeded now.
	NoteSuccess(ctx context.Context, schedule string) error
}

// Upkeep keeps the books in order, on schedules.
type Upkeep struct{ Ledger UpkeepLedger }

// TidyCallbacks keeps the table of raw callbacks in months. Idempotent by clock.
func (u *Upkeep) TidyCallbacks(ctx context.Context, now time.Time) error {
	return fault(u.Ledger.TidyCallbacks(ctx, now))
}

// NoteSuccess says that a scheduled run reached its end. Repeated, it says so later.
func (u *Upkeep) NoteSuccess(ctx context.Context, schedule string) error {
	return fault(u.Ledger.NoteSuccess(ctx, schedule))
}
