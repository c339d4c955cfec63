package payment

// Session is a person who is signed in at the console.
type Session struct {
	Role string
	Name string
	// TokenSHA256 is of the API token that opened it; nil after single sign-on.
	TokenSHA256 []byte
}
