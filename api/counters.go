package api

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/paysaga/paysaga/internal/payment"
)

// Counters count what became of callbacks. An alert belongs on cannot_decrypt
// (a key is missing) and on the rate of refusals, never on a single one: WeChat
// itself sends false signatures to see whether anybody verifies.
type Counters struct {
	verdicts *prometheus.CounterVec
	rejected *prometheus.CounterVec
	signTest prometheus.Counter
}

// NewCounters makes the counters and registers them.
func NewCounters(registry prometheus.Registerer) *Counters {
	c := &Counters{
		verdicts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callback_verdicts_total",
			Help: "Callbacks by verdict: accepted, case, noted, refused, malformed, cannot_decrypt, busy.",
		}, []string{"verdict"}),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callback_rejected_total",
			Help: "Refused callbacks by the check that failed: headers, time, serial, signature, signtest, req_info, message, malformed.",
		}, []string{"reason"}),
		signTest: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "signtest_total",
			Help: "WeChat's probes with a false signature, all refused.",
		}),
	}
	registry.MustRegister(c.verdicts, c.rejected, c.signTest)
	for _, alarming := range []payment.Verdict{payment.Accepted, payment.CannotDecrypt, refused, busy} {
		c.verdicts.WithLabelValues(string(alarming)) // from 0 on, or an alert would miss the first
	}
	return c
}
