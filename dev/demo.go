package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/paysaga/paysaga/dev/stack"
)

// scene is one payment with its trouble, and how it must end.
type scene struct {
	title     string
	amountFen int64
	play      func(context.Context, *world, *scene) error
	ends      ending

	number        string // out_trade_no
	transactionID string
}

// ending is the one right end of a payment, in the words of the api and of the outside.
type ending struct {
	order, stage string // the stage of the scene's own payment, the first
	effects      int    // goods set in motion, at the shop
	paid, back   int    // how often the order's amount was paid and went back, at WeChat
}

var (
	shipped   = ending{order: "shipped", stage: "completed", effects: 1, paid: 1}
	refunded  = ending{order: "refunded", stage: "refunded", paid: 1, back: 1}
	paidTwice = ending{order: "shipped", stage: "completed", effects: 1, paid: 2, back: 1}
)

func scenes() []*scene {
	return []*scene{
		{title: "a payment is shipped", amountFen: 12850, play: paid, ends: shipped},
		{title: "the shop refuses, so the money goes back", amountFen: 4200, play: refused, ends: refunded},
		{title: "an order is paid twice: the second payment goes back", amountFen: 2600, play: twice, ends: paidTwice},
		{title: "WeChat calls five times at once, and it is shipped once", amountFen: 990, play: fiveCallbacks, ends: shipped},
		{title: "the worker is killed while the shop ships", amountFen: 8800, play: killed, ends: shipped},
	}
}

// demo plays the scenes, compares what everybody says, and stays up; with DEMO_EXIT=1 it ends.
func demo(ctx context.Context, place stack.Place, _ []string) error {
	return inWorld(ctx, place, func(w *world) error {
		w.introduce()
		all := scenes()
		stamp := time.Now().UTC().Format("20060102150405")
		for i, scene := range all {
			scene.number = fmt.Sprintf("demo-%s-%d", stamp, i+1)
			if err := w.act(ctx, i+1, scene); err != nil {
				return fmt.Errorf("scene %d, %s: %w\n%s", i+1, scene.title, err, w.fleet.Logs(15))
			}
		}
		agreed, err := w.compare(ctx, all)
		if err != nil {
			return err
		}
		if !agreed {
			return errors.New("the api, the simulator and Temporal do not agree; see the table")
		}
		if os.Getenv("DEMO_EXIT") == "1" {
			return nil
		}
		return w.stay(ctx)
	})
}

// act creates the order, plays the scene and waits for its end.
func (w *world) act(ctx context.Context, n int, s *scene) error {
	began := time.Now()
	fmt.Printf("%d. %s\n", n, s.title)
	err := w.merchant(ctx, http.MethodPost, "/v1/orders", map[string]any{
		"out_trade_no": s.number, "description": "tea, 250 g", "amount_fen": s.amountFen, "trade_type": "native",
		"shipping": map[string]string{"city": "Hangzhou"},
	}, nil)
	if err != nil {
		return err
	}
	tell("order %s over %s is created", s.number, yuan(s.amountFen))
	if err := s.play(ctx, w, s); err != nil {
		return err
	}
	if err := w.reaches(ctx, s.transactionID, s.ends.stage); err != nil {
		return err
	}
	tell("order %s, payment %s, after %s", s.ends.order, s.ends.stage, time.Since(began).Round(10*time.Millisecond))
	return nil
}

func (w *world) reaches(ctx context.Context, transactionID, stage string) error {
	return eventually(ctx, "stage "+stage, func(ctx context.Context) (bool, error) {
		p, err := w.payment(ctx, transactionID)
		return p.Stage == stage, err
	})
}

func tell(format string, args ...any) { fmt.Printf("   "+format+"\n", args...) }

func yuan(fen int64) string { return fmt.Sprintf("¥%d.%02d", fen/100, fen%100) }

// pay is the payer paying; with lose WeChat does not call back by itself.
func (w *world) pay(ctx context.Context, s *scene, how map[string]any) error {
	var answer struct {
		TransactionID string `json:"transaction_id"`
	}
	if err := w.steer(ctx, http.MethodPost, "/orders/"+s.number+"/pay", how, &answer); err != nil {
		return err
	}
	s.transactionID = answer.TransactionID
	tell("the payer pays; WeChat's transaction is %s", s.transactionID)
	return nil
}

func paid(ctx context.Context, w *world, s *scene) error {
	return w.pay(ctx, s, nil)
}

func refused(ctx context.Context, w *world, s *scene) error {
	if err := w.steer(ctx, http.MethodPost, "/orders/"+s.number+"/plan", map[string]any{"shop": "refuse"}, nil); err != nil {
		return err
	}
	return w.pay(ctx, s, nil)
}

// twice pays what is shipped already; the first payment, its shipment and the order stay as they are.
func twice(ctx context.Context, w *world, s *scene) error {
	if err := w.pay(ctx, s, nil); err != nil {
		return err
	}
	first := s.transactionID
	if err := w.reaches(ctx, first, "completed"); err != nil {
		return err
	}
	if err := w.pay(ctx, s, map[string]any{"again": true}); err != nil {
		return err
	}
	second := s.transactionID
	s.transactionID = first
	if err := w.reaches(ctx, second, "refunded"); err != nil {
		return err
	}
	tell("payment %s refunded", second)
	return nil
}

func fiveCallbacks(ctx context.Context, w *world, s *scene) error {
	if err := w.pay(ctx, s, map[string]any{"lose": true}); err != nil {
		return err
	}
	var answer struct {
		Statuses []int `json:"statuses"`
	}
	err := w.steer(ctx, http.MethodPost, "/transactions/"+s.transactionID+"/notify", map[string]any{"copies": 5}, &answer)
	tell("five callbacks at once are answered %v", answer.Statuses)
	return err
}

// killed crashes the worker when the shop has its call and has not answered.
func killed(ctx context.Context, w *world, s *scene) error {
	if err := w.steer(ctx, http.MethodPost, "/holds", map[string]any{"call": "ship", "out_trade_no": s.number, "when": "after"}, nil); err != nil {
		return err
	}
	if err := w.pay(ctx, s, nil); err != nil {
		return err
	}
	err := eventually(ctx, "the ship call to reach the shop", func(ctx context.Context) (bool, error) {
		var holds []struct {
			OutTradeNo string `json:"out_trade_no"`
			Waiting    int    `json:"waiting"`
		}
		err := w.steer(ctx, http.MethodGet, "/holds", nil, &holds)
		for _, hold := range holds {
			if hold.OutTradeNo == s.number && hold.Waiting > 0 {
				return true, nil
			}
		}
		return false, err
	})
	if err != nil {
		return err
	}
	w.fleet.Workers[0].Kill()
	tell("the shop has shipped and not yet answered: the worker is killed (SIGKILL)")
	if err := w.steer(ctx, http.MethodPost, "/holds/release", map[string]any{"out_trade_no": s.number}, nil); err != nil {
		return err
	}
	tell("the worker is started again")
	return w.fleet.Workers[0].Restart(ctx)
}
