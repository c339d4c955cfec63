package wechatmini_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/internal/payment"
)

func TestTheReportAsWeChatReadsIt(t *testing.T) {
	for name, row := range map[string]struct {
		carrier, trackingNo string
		logistics           float64
		parcel              map[string]any
	}{
		"a parcel": {"SF", "SF1", 1, map[string]any{
			"tracking_no": "SF1", "express_company": "SF", "item_desc": "龙井 <tea> & cups",
			"contact": map[string]any{"consignor_contact": "189****1234"},
		}},
		"something that is not sent": {"virtual", "", 3, map[string]any{"item_desc": "龙井 <tea> & cups"}},
		"fetched by the payer":       {"self_pickup", "", 4, map[string]any{"item_desc": "龙井 <tea> & cups"}},
		"brought on the same day":    {"same_city", "", 2, map[string]any{"item_desc": "龙井 <tea> & cups"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fakeWeChat{}
			c := open(t, f)
			d := delivery
			d.Carrier, d.TrackingNo = row.carrier, row.trackingNo
			if err := c.Report(t.Context(), d); err != nil {
				t.Fatal(err)
			}
			got := f.heard(upload)[0].body
			at, err := time.Parse(time.RFC3339, got["upload_time"].(string))
			if err != nil || time.Since(at).Abs() > time.Minute {
				t.Errorf("upload_time %v", got["upload_time"])
			}
			delete(got, "upload_time")
			want := map[string]any{
				"order_key":      map[string]any{"order_number_type": 2.0, "transaction_id": txn},
				"logistics_type": row.logistics, "delivery_mode": 1.0,
				"shipping_list": []any{row.parcel},
				"payer":         map[string]any{"openid": openID},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAParcelWithoutANumberIsNotReported(t *testing.T) {
	f := &fakeWeChat{}
	c := open(t, f)
	for _, lacking := range []struct{ carrier, trackingNo string }{{"", ""}, {"SF", ""}, {"", "SF1"}} {
		d := delivery
		d.Carrier, d.TrackingNo = lacking.carrier, lacking.trackingNo
		wantKind(t, c.Report(t.Context(), d), payment.Invalid)
	}
	if n := len(f.heard(upload)); n != 0 {
		t.Errorf("%d reports", n)
	}
}

func TestALongDescriptionIsCut(t *testing.T) {
	f := &fakeWeChat{}
	d := delivery
	d.Description = strings.Repeat("茶", 127)
	if err := open(t, f).Report(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	item := f.heard(upload)[0].body["shipping_list"].([]any)[0].(map[string]any)["item_desc"]
	if item != strings.Repeat("茶", 120) {
		t.Errorf("%d characters", len([]rune(item.(string))))
	}
}

func TestHowAReportEnds(t *testing.T) {
	kinds := map[payment.Kind][]int{
		"":               {0, 10060023},
		payment.Busy:     {-1, 10060012, 10060019, 10060001},
		payment.Conflict: {10060002, 10060003},
		payment.Invalid: {
			10060004, 10060005, 10060006, 10060007, 10060008, 10060009, 10060014, 10060020, 10060024, 10060025, 10060026, 10060031,
			268485194, 268485195, 268485196, 268485197, 268485216, 268485224, 268485226, 268485227, 268485228, 47001,
		},
		payment.Unknown: {10069999},
	}
	for kind, codes := range kinds {
		for _, n := range codes {
			t.Run(strconv.Itoa(n), func(t *testing.T) {
				t.Parallel()
				f := &fakeWeChat{answers: map[string][]string{upload: {code(n)}}}
				err := open(t, f).Report(t.Context(), delivery)
				wantKind(t, err, kind)
				if n == 10060001 && err.(*payment.Error).RetryAfter < time.Minute {
					t.Error("a payment WeChat does not know yet is asked about at once")
				}
			})
		}
	}
}

func TestWhatWeChatKnowsOfAShipment(t *testing.T) {
	order := func(state int) string {
		return `{"errcode":0,"order":{"transaction_id":"` + txn + `","order_state":` + strconv.Itoa(state) + `}}`
	}
	for ending, row := range map[string]struct {
		answer string
		known  bool
		kind   payment.Kind
	}{
		"to be shipped":                  {order(1), false, ""},
		"shipped":                        {order(2), true, ""},
		"received":                       {order(3), true, ""},
		"done":                           {order(4), true, ""},
		"refunded: it wants no report":   {order(5), false, payment.Refused},
		"its money is being paid out":    {order(6), true, ""},
		"a payment it does not know yet": {code(10060001), false, payment.Busy},
		"no state at all":                {`{"errcode":0}`, false, payment.Unknown},
		"a payment without a state":      {`{"errcode":0,"order":{"transaction_id":"` + txn + `"}}`, false, payment.Unknown},
		"another payment's":              {strings.Replace(order(2), txn, "4200000002", 1), false, payment.Unknown},
		"a state that is text":           {`{"errcode":0,"order":{"transaction_id":"` + txn + `","order_state":"2"}}`, false, payment.Unknown},
	} {
		t.Run(ending, func(t *testing.T) {
			f := &fakeWeChat{answers: map[string][]string{getOrder: {row.answer}}}
			known, err := open(t, f).Reported(t.Context(), txn)
			wantKind(t, err, row.kind)
			if known != row.known || f.heard(getOrder)[0].body["transaction_id"] != txn {
				t.Errorf("known: %v", known)
			}
		})
	}
}
