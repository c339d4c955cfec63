package simulator

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"time"
)

// beijing is the zone of every time WeChat tells.
var beijing = time.FixedZone("CST", 8*60*60)

// wechatTime is a time as WeChat writes it.
func wechatTime(t time.Time) string { return t.In(beijing).Format(time.RFC3339) }

// merchantRoutes is everything the merchant can call: WeChat Pay, the mini-program's
// server and the shop.
func (s *simulator) merchantRoutes() http.Handler {
	mux := http.NewServeMux()
	wechat := party{verify: s.verifyMerchant, seal: s.sealAnswer}
	for product, tradeType := range tradeTypes {
		mux.Handle("POST /v3/pay/transactions/"+product, s.desk(wechat, route{callPrepay, aboutBody, s.prepay(tradeType)}))
	}
	for pattern, rt := range map[string]route{
		"GET /v3/pay/transactions/out-trade-no/{out_trade_no}":        {callQuery, aboutPath, s.queryOrder},
		"GET /v3/pay/transactions/id/{transaction_id}":                {callQuery, s.aboutTransaction, s.queryTransaction},
		"POST /v3/pay/transactions/out-trade-no/{out_trade_no}/close": {callClose, aboutPath, s.closeOrder},
		"POST /v3/refund/domestic/refunds":                            {callRefund, s.aboutRefundBody, s.createRefund},
		"GET /v3/refund/domestic/refunds/{out_refund_no}":             {callRefundQuery, s.aboutRefund, s.queryRefund},
		"GET /v3/certificates":                                        {callCertificates, func(*call) {}, s.certificates},
		"GET /v3/bill/tradebill":                                      {callTradeBill, func(*call) {}, s.offerBill(tradeBill)},
		"GET /v3/bill/fundflowbill":                                   {callFundFlowBill, func(*call) {}, s.offerBill(fundFlowBill)},
	} {
		mux.Handle(pattern, s.desk(wechat, rt))
	}
	mux.HandleFunc("GET /v3/billdownload/file", s.downloadBill)
	mux.Handle("/v3/", s.desk(wechat, route{"unknown", func(*call) {}, func(*call) answer {
		return refuse(http.StatusNotFound, "RESOURCE_NOT_EXISTS", "no such call here")
	}}))
	s.miniRoutes(mux)
	s.shopRoutes(mux)
	return mux
}

func (s *simulator) verifyMerchant(c *call) (answer, bool) {
	if err := s.account.verifyMerchant(c.Request, c.body, time.Now()); err != nil {
		return refuse(http.StatusUnauthorized, "SIGN_ERROR", err.Error()), false
	}
	return answer{}, true
}

// sealAnswer signs with the key that the merchant says it accepts, by the header
// Wechatpay-Serial; without one, with the public key.
func (s *simulator) sealAnswer(c *call, h http.Header, body []byte) {
	key := s.account.public
	if c.Header.Get("Wechatpay-Serial") == s.account.cert.serial {
		key = s.account.cert
	}
	if err := key.stamp(h, unixNow(), body); err != nil {
		s.Log.Error("answer not signed", "err", err)
		return
	}
	if c.mode == modeBadSignature {
		falsify(h)
	}
}

// certificates hands out the platform certificate, sealed with the APIv3 key.
func (s *simulator) certificates(*call) answer {
	nonce := hexText(6)
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.account.x509.Raw})
	sealed, err := seal(s.account.APIv3Key, nonce, "certificate", text)
	if err != nil {
		return refuse(http.StatusInternalServerError, "SYSTEM_ERROR", "cannot seal")
	}
	return answer{http.StatusOK, map[string]any{"data": []any{map[string]any{
		"serial_no":      s.account.cert.serial,
		"effective_time": wechatTime(s.account.x509.NotBefore),
		"expire_time":    wechatTime(s.account.x509.NotAfter),
		"encrypt_certificate": map[string]string{
			"algorithm":       "AEAD_AES_256_GCM",
			"nonce":           nonce,
			"associated_data": "certificate",
			"ciphertext":      sealed,
		},
	}}}}
}

// The about functions find out which order a call is about, before anything else
// is known of it. A call that makes no sense is about none.

func aboutPath(c *call) { c.outTradeNo = c.PathValue("out_trade_no") }

func aboutBody(c *call) {
	var body struct {
		OutTradeNo string `json:"out_trade_no"`
	}
	json.Unmarshal(c.body, &body) // what cannot be read is refused later, by do
	c.outTradeNo = body.OutTradeNo
}

func (s *simulator) aboutTransaction(c *call) {
	s.ledger.read(func(b *book) {
		if p := b.payments[c.PathValue("transaction_id")]; p != nil {
			c.outTradeNo = p.OutTradeNo
		}
	})
}

func (s *simulator) aboutRefund(c *call) {
	c.number = c.PathValue("out_refund_no")
	s.ledger.read(func(b *book) {
		if r := b.refunds[c.number]; r != nil {
			c.outTradeNo = r.OutTradeNo
		}
	})
}

func (s *simulator) aboutRefundBody(c *call) {
	var body refundRequest
	json.Unmarshal(c.body, &body)
	c.outTradeNo, c.number = body.OutTradeNo, body.OutRefundNo
	s.ledger.read(func(b *book) {
		if p := b.payments[body.TransactionID]; p != nil {
			c.outTradeNo = p.OutTradeNo
		}
	})
}

// digest is equal for two JSON texts that say the same, in whatever order and
// spacing. It tells a repeated call from a changed one.
func digest(body []byte) string {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var v any
	if decoder.Decode(&v) == nil {
		body, _ = json.Marshal(v)
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}
