package api

import "net/http"

// today is how the Beijing day goes so far, for the console's plots.
func (s *Server) today(w http.ResponseWriter, r *http.Request, _ Caller) error {
	q := queryOf(r)
	if err := q.mistake(); err != nil {
		return err
	}
	day, err := s.Desk.Today(r.Context())
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, day)
}
