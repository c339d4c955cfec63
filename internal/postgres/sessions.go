package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

// How long somebody stays signed in: without doing anything, and in all.
const (
	sessionIdle  = 15 * time.Minute
	sessionLasts = 8 * time.Hour
)

const (
	forgetSessionsSQL = `
delete from sessions where seen_at < now() - @idle::interval or opened_at < now() - @lasts::interval`

	openSessionSQL = `
insert into sessions (secret_sha256, role, name, token_sha256) values (@secret, @role, @name, @token)`

	seeSessionSQL = `
update sessions set seen_at = now()
 where secret_sha256 = @secret and seen_at >= now() - @idle::interval and opened_at >= now() - @lasts::interval
returning role, name, token_sha256`

	glanceSessionSQL = `
select role, name, token_sha256 from sessions
 where secret_sha256 = @secret and seen_at >= now() - @idle::interval and opened_at >= now() - @lasts::interval`

	closeSessionSQL = `delete from sessions where secret_sha256 = @secret`
)

func sessionArgs(secretSHA256 []byte, opened payment.Session) pgx.NamedArgs {
	return pgx.NamedArgs{
		"secret": secretSHA256, "role": opened.Role, "name": opened.Name, "token": opened.TokenSHA256,
		"idle": sessionIdle, "lasts": sessionLasts,
	}
}

// OpenSession signs somebody in, under the SHA-256 of what their cookie holds.
func (s *Store) OpenSession(ctx context.Context, secretSHA256 []byte, opened payment.Session) error {
	return s.tx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, forgetSessionsSQL, sessionArgs(secretSHA256, opened)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, openSessionSQL, sessionArgs(secretSHA256, opened))
		return err
	})
}

// Session is who is signed in under a cookie, and notes that they were seen.
// NotFound if nobody is, or was idle or here for too long.
func (s *Store) Session(ctx context.Context, secretSHA256 []byte) (payment.Session, error) {
	var found payment.Session
	err := s.pool.QueryRow(ctx, seeSessionSQL, sessionArgs(secretSHA256, found)).Scan(&found.Role, &found.Name, &found.TokenSHA256)
	return found, fault(err)
}

// GlanceSession is Session without the note: for what a page does by itself.
func (s *Store) GlanceSession(ctx context.Context, secretSHA256 []byte) (payment.Session, error) {
	var found payment.Session
	err := s.pool.QueryRow(ctx, glanceSessionSQL, sessionArgs(secretSHA256, found)).Scan(&found.Role, &found.Name, &found.TokenSHA256)
	return found, fault(err)
}

// CloseSession signs somebody out; nobody may be signed in.
func (s *Store) CloseSession(ctx context.Context, secretSHA256 []byte) error {
	_, err := s.pool.Exec(ctx, closeSessionSQL, sessionArgs(secretSHA256, payment.Session{}))
	return fault(err)
}
