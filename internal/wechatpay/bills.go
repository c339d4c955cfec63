package wechatpay

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core/consts"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/bill"
	"github.com/paysaga/paysaga/internal/payment"
)

const (
	// remake is how long WeChat wants to be left alone while it makes a bill.
	remake = 30 * time.Minute
	// maxBill bounds a bill, unpacked, in bytes: some ten million lines.
	maxBill = 4 << 30
)

// TradeBill reads WeChat's word on the payments and refunds of a day
// (bill-download, and merchant/4012084430). See activities.BillGateway.
func (c *Client) TradeBill(ctx context.Context, day string, each func(activities.BillLine) error) (sums activities.BillSums, err error) {
	err = c.bill(ctx, "trade bill", "/v3/bill/tradebill", url.Values{"bill_type": {"ALL"}}, day, func(text io.Reader) (err error) {
		sums, err = bill.Trade(text, day, each)
		return err
	})
	return sums, err
}

// FundFlowBill reads every movement of the basic account on a day. See
// activities.BillGateway.
func (c *Client) FundFlowBill(ctx context.Context, day string, each func(activities.FundLine) error) (sums activities.FundSums, err error) {
	err = c.bill(ctx, "fund-flow bill", "/v3/bill/fundflowbill", url.Values{"account_type": {"BASIC"}}, day, func(text io.Reader) (err error) {
		sums, err = bill.FundFlow(text, day, each)
		return err
	})
	return sums, err
}

// bill asks for a bill, fetches it and has it read. A download is good for five
// minutes after it was offered, so one that has run out meanwhile is asked for
// anew, once.
func (c *Client) bill(ctx context.Context, what, path string, query url.Values, day string, read func(io.Reader) error) error {
	if _, err := time.Parse(time.DateOnly, day); err != nil {
		return payment.Failf(payment.Invalid, codeNotAsked, "a bill's day is written YYYY-MM-DD")
	}
	query.Set("bill_date", day)
	query.Set("tar_type", "GZIP")
	for again := false; ; again = true {
		offer, err := c.askForBill(ctx, what, path+"?"+query.Encode())
		if err != nil {
			return err
		}
		if err = c.fetch(ctx, what, offer, read); again || payment.CodeOf(err) != "no_auth" {
			return err
		}
	}
}

// offered is a bill to be fetched.
type offered struct {
	HashType  string `json:"hash_type"`
	HashValue string `json:"hash_value"` // of the text, as it is before it is packed
	URL       string `json:"download_url"`
}

func (c *Client) askForBill(ctx context.Context, what, path string) (offered, error) {
	var offer offered
	err := c.get(ctx, what, path, &offer)
	switch payment.CodeOf(err) {
	case "no_statement_exist":
		return offer, payment.Fail(payment.NotFound, activities.CodeNoStatement, "WeChat Pay has no "+what+" of that day", err)
	case "statement_creating":
		busy := payment.Fail(payment.Busy, activities.CodeStatementCreating, "WeChat Pay is still making the "+what, err)
		busy.RetryAfter = remake
		return offer, busy
	}
	if err == nil && !strings.EqualFold(offer.HashType, "SHA1") {
		err = unusable(what)
	}
	return offer, err
}

// fetch has a bill read as it arrives. Its bytes are not signed; the hash that
// vouches for them was, and is taken of the text with its mark and line ends.
func (c *Client) fetch(ctx context.Context, what string, offer offered, read func(io.Reader) error) error {
	from, ours := c.ours(strings.TrimSpace(offer.URL))
	if !ours {
		return unusable(what)
	}
	result, err := c.files.Get(ctx, consts.WechatPayAPIServer+from.RequestURI())
	if err != nil {
		return translate(ctx, what, result, err)
	}
	defer result.Response.Body.Close()
	text, err := unpack(result.Response.Body, maxBill)
	if err != nil {
		return err
	}
	hash := sha1.New()
	if err := read(io.TeeReader(text, hash)); err != nil {
		return err
	}
	if !strings.EqualFold(hex.EncodeToString(hash.Sum(nil)), offer.HashValue) {
		return payment.Failf(payment.Unknown, activities.CodeBillHash, "the %s is not the one that WeChat Pay vouched for", what)
	}
	return nil
}

// ours reads a download's address. What is sent there is signed in the merchant's
// name, so it goes to WeChat, or to what stands for it in our configuration, and
// to nobody else.
func (c *Client) ours(address string) (*url.URL, bool) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, false
	}
	origin := u.Scheme + "://" + u.Host
	return u, origin == consts.WechatPayAPIServer || origin == consts.WechatPayAPIServerBackup ||
		slices.ContainsFunc(c.hosts, func(host *url.URL) bool { return origin == host.Scheme+"://"+host.Host })
}

// unpacked is a bill's text. An error that is not ours is the packing's.
type unpacked struct {
	io.Reader
	left int64
}

// unpack takes a bill out of its gzip, if it is in one: gateways may have done so
// before us. It gives at most so many bytes of text.
func unpack(body io.Reader, most int64) (io.Reader, error) {
	plain := bufio.NewReader(body)
	if start, _ := plain.Peek(2); string(start) != "\x1f\x8b" {
		return &unpacked{plain, most}, nil
	}
	zipped, err := gzip.NewReader(plain)
	if err != nil {
		return nil, damaged(err)
	}
	return &unpacked{zipped, most}, nil
}

func (u *unpacked) Read(p []byte) (int, error) {
	n, err := u.Reader.Read(p)
	if u.left -= int64(n); u.left < 0 {
		return 0, payment.Failf(payment.Unknown, activities.CodeBillUnreadable, "the bill has no end")
	}
	if err != nil && err != io.EOF {
		err = damaged(err)
	}
	return n, err
}

func damaged(err error) error {
	if ours, ok := errors.AsType[*payment.Error](err); ok {
		return ours
	}
	return payment.Fail(payment.Unknown, activities.CodeBillUnreadable, "the bill was damaged on its way", fmt.Errorf("gzip: %w", err))
}
