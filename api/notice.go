package api

import (
	"regexp"
	"strings"
	"time"

	"github.com/paysaga/paysaga/internal/payment"
	"github.com/paysaga/paysaga/internal/strictjson"
)

// judge decides what a verified notice is to us. WeChat's word is believed and
// its form is not: content that we cannot use, or that means money of a kind we
// do not handle, becomes a case, because answering anything but 200 would only
// bring the same content again for a day. toldAt is when it came.
func judge(n payment.Notice, toldAt time.Time) payment.News {
	news := payment.News{
		Key: payment.NoticeKey(n.ID), Kind: payment.NewsOther, Verdict: payment.Noted,
		NotificationID: n.ID, EventType: n.EventType, Payment: payment.Payment{Via: payment.ViaCallback},
	}
	if n.EventType == "SECURITY_ECHO.SUCCESS" { // the answer to our own test call
		return news
	}
	content, err := strictjson.Parse(n.Plaintext)
	if err != nil {
		return needsPerson(news, payment.CaseUnusableCallback, "the content is not one strict JSON object")
	}
	news.Payment.TransactionID = legible(content, "transaction_id", payment.ValidTransactionID)
	news.Payment.OutTradeNo = legible(content, "out_trade_no", payment.ValidOutTradeNo)
	news.OutRefundNo = legible(content, "out_refund_no", outRefundNo.MatchString)
	switch {
	case isCombined(content):
		news.Payment.OutTradeNo = legible(content, "combine_out_trade_no", payment.ValidOutTradeNo)
		return needsPerson(news, payment.CaseUnsupportedVariant, "a combined payment of "+subOrders(content))
	case isProvided(content):
		return needsPerson(news, payment.CaseUnsupportedVariant, "a service provider's payment or refund")
	case n.EventType == "TRANSACTION.SUCCESS":
		return judgePayment(news, content, toldAt)
	case n.EventType == "REFUND.SUCCESS", n.EventType == "REFUND.ABNORMAL", n.EventType == "REFUND.CLOSED":
		return judgeRefund(news, content)
	case strings.HasPrefix(n.EventType, "TRANSACTION."), strings.HasPrefix(n.EventType, "REFUND."), hasMoney(content):
		return needsPerson(news, payment.CaseUnsupportedMoney, "an event with money of a kind that is not handled: "+n.EventType)
	}
	return news
}

// Shapes of WeChat's own words. What does not fit one is not legible, and never
// reaches the database: Postgres refuses NUL, and a reader may be fooled by more.
var (
	accountID   = regexp.MustCompile(`^[0-9A-Za-z_\-]{1,32}$`)
	currency    = regexp.MustCompile(`^[A-Z]{3}$`)
	tradeState  = regexp.MustCompile(`^[A-Z_]{1,32}$`)
	outRefundNo = regexp.MustCompile(`^[0-9A-Za-z_\-|*@]{1,64}$`)
)

// legible is the text under key if it has the shape it should have, else empty.
func legible(o strictjson.Object, key string, shaped func(string) bool) string {
	text, _ := o.Text(key)
	if !shaped(text) {
		return ""
	}
	return text
}

// judgePayment makes news of a payment out of a transaction resource
// (pay.weixin.qq.com/doc/v3/merchant/4012075420). Whether it fits an order is for the saga to say, and so is
// a trade_state other than SUCCESS; here it must only be whole. An amount is an
// integer written as one, in fen, of amount.total.
func judgePayment(news payment.News, content strictjson.Object, toldAt time.Time) payment.News {
	amount, _ := content.Object("amount")
	paid := news.Payment
	paid.AppID = legible(content, "appid", accountID.MatchString)
	paid.MchID = legible(content, "mchid", accountID.MatchString)
	paid.TradeState = legible(content, "trade_state", tradeState.MatchString)
	paid.Currency = legible(amount, "currency", currency.MatchString)
	paid.AmountFen, _ = amount.Int("total")
	paid.PaidAt = paidAt(content, toldAt)

	var missing string
	switch {
	case paid.TransactionID == "":
		missing = "transaction_id"
	case paid.OutTradeNo == "":
		missing = "out_trade_no"
	case paid.AppID == "":
		missing = "appid"
	case paid.MchID == "":
		missing = "mchid"
	case paid.TradeState == "":
		missing = "trade_state"
	case paid.Currency == "":
		missing = "amount.currency"
	case paid.AmountFen <= 0:
		missing = "amount.total"
	}
	if missing != "" {
		return needsPerson(news, payment.CaseUnusableCallback, missing+" is absent or odd")
	}
	news.Payment = paid
	news.Kind, news.Verdict, news.Key = payment.NewsPayment, payment.Accepted, payment.PaymentKey(paid)
	return news
}

// judgeRefund makes news of a refund: that there is some. What it is, the saga
// asks WeChat; the field is refund_status here and status in answers.
func judgeRefund(news payment.News, content strictjson.Object) payment.News {
	status, _ := content.Text("refund_status")
	switch {
	case news.Payment.TransactionID == "" || news.OutRefundNo == "":
		return needsPerson(news, payment.CaseUnusableCallback, "transaction_id or out_refund_no is absent or odd")
	case status != "SUCCESS" && status != "ABNORMAL" && status != "CLOSED":
		return needsPerson(news, payment.CaseUnusableCallback, "refund_status is none that WeChat documents")
	}
	news.Kind, news.Verdict, news.Key = payment.NewsRefund, payment.Accepted, payment.RefundKey(news.OutRefundNo, status)
	return news
}

// paidAt is when WeChat's clock says it was paid; zero if that is absent, absurd
// or still to come, and the time of receipt counts then. An old one is fine:
// WeChat tells us again for a day, and the bill later still.
func paidAt(content strictjson.Object, toldAt time.Time) time.Time {
	text, _ := content.Text("success_time")
	at, err := time.Parse(time.RFC3339, text)
	if err != nil || at.Year() < 2000 || at.After(toldAt.Add(clockSkew)) {
		return time.Time{}
	}
	return at
}

// clockSkew is how far ahead of ours WeChat's clock may be.
const clockSkew = 5 * time.Minute

// hasMoney tells whether anything in a resource is about money: an amount, a
// fee, a total, or one payment's or refund's number.
func hasMoney(value any) bool {
	switch value := value.(type) {
	case strictjson.Object:
		for key, inner := range value {
			if moneyKey.MatchString(key) || hasMoney(inner) {
				return true
			}
		}
	case []any:
		for _, inner := range value {
			if hasMoney(inner) {
				return true
			}
		}
	}
	return false
}

var moneyKey = regexp.MustCompile(`(?i)amount|fee|total|refund|transaction_id|out_trade_no`)

// needsPerson turns news into a case. The notification's id is the cause, so
// that WeChat's repeats open one case.
func needsPerson(news payment.News, kind payment.CaseKind, detail string) payment.News {
	news.Verdict = payment.ForAPerson
	news.Case = &payment.Case{
		Kind: kind, Subject: news.NotificationID, NotificationID: news.NotificationID,
		TransactionID: news.Payment.TransactionID, OutTradeNo: news.Payment.OutTradeNo,
		Detail: detail,
	}
	return news
}
