package wechatpay

import (
	"context"
	"log/slog"
	"os"
	"time"
)

// Following is where keys come from while a process runs.
type Following struct {
	// Read returns the material as it is now. Its error is logged, so it names
	// files and repeats nothing of them.
	Read func() (KeyMaterial, error)
	// Every is how often Read is asked. New material is taken when two looks in a
	// row agree on it, because files are not written in one moment.
	Every time.Duration
	// Hangup has material read and taken at once; nil for never.
	Hangup <-chan os.Signal
	Log    *slog.Logger
}

// Follow replaces the keys whenever what is read has changed, until ctx ends.
// Material that is no good changes nothing and is a warning, once.
func (k *Keys) Follow(ctx context.Context, from Following) {
	look := time.NewTicker(from.Every)
	defer look.Stop()
	var last, refused KeyMaterial
	var unread string
	for {
		told := false
		select {
		case <-ctx.Done():
			return
		case <-from.Hangup:
			told = true
		case <-look.C:
		}
		now, err := from.Read()
		if err != nil {
			if told || err.Error() != unread {
				from.Log.Warn("WeChat Pay's keys stay as they were", "why", err.Error())
			}
			unread = err.Error()
			continue
		}
		unread = ""
		steady := now == last
		last = now
		if !told && (!steady || now == k.ring.Load().from || now == refused) {
			continue
		}
		if err := k.Replace(now); err != nil {
			refused = now
			from.Log.Warn("WeChat Pay's keys stay as they were: the new ones are no good", "why", err.Error())
			continue
		}
		from.Log.Info("WeChat Pay's keys were read again")
	}
}
