package payment

// Notice is one callback whose signature was good and whose resource opened.
type Notice struct {
	ID           string // the notification's own id, constant over WeChat's retries
	EventType    string // TRANSACTION.SUCCESS, REFUND.SUCCESS …
	OriginalType string // transaction, refund, security …
	Plaintext    []byte // the decrypted resource; holds the payer's openid, so never logged or kept
}
