package console

import (
	"net/http"
	"time"
)

// figures is what GET /v1/today answers.
type figures struct {
	Day         string `json:"day"`
	Payments    int64  `json:"payments"`
	PaidFen     int64  `json:"paid_fen"`
	RefundedFen int64  `json:"refunded_fen"`
	Hours       []struct {
		Payments int64 `json:"payments"`
		Refunds  int64 `json:"refunds"`
	} `json:"hours"` // 24, of the Beijing day
	Shipped struct {
		Count  int64   `json:"count"`
		P50S   float64 `json:"p50_s"`
		P95S   float64 `json:"p95_s"`
		Within []struct {
			AtMostS float64 `json:"at_most_s"`
			Count   int64   `json:"count"`
		} `json:"within"`
	} `json:"shipped"`
	Holding []struct {
		Reason string    `json:"reason"`
		Count  int64     `json:"count"`
		Since  time.Time `json:"since"`
	} `json:"holding"`
}

type todayPage struct {
	figures
	P50, P95 string
	ByHour   plot
	Spread   plot
}

// today is how the day goes.
func (s *server) today(v *visit) error {
	var it todayPage
	if err := v.desk.get("/v1/today", &it.figures); err != nil {
		return err
	}
	it.P50, it.P95 = seconds(it.Shipped.P50S), seconds(it.Shipped.P95S)
	var labels []string
	var paid, back, counts []int64
	for hour, n := range it.Hours {
		labels = append(labels, twoDigits(hour))
		paid, back = append(paid, n.Payments), append(back, n.Refunds)
	}
	it.ByHour = bars(labels, paid, back)
	labels = nil
	for i, bucket := range it.Shipped.Within {
		label := "≤ " + seconds(bucket.AtMostS)
		if last := len(it.Shipped.Within) - 1; i == last && i > 0 { // it has no end
			label = "> " + seconds(it.Shipped.Within[i-1].AtMostS)
		}
		labels = append(labels, label)
		counts = append(counts, bucket.Count)
	}
	it.Spread = bars(labels, counts, nil)
	return v.show(http.StatusOK, "today.html", frame{Section: "today", Title: v.t("today.title"), Live: true, It: it})
}
