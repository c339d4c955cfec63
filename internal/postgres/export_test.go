package postgres

// LeaseDueSQL is what the test of its plan explains.
const LeaseDueSQL = leaseDueSQL

// What the test of the lists' plans explains.
var (
	CasesQuery    = casesQuery
	PaymentsQuery = paymentsQuery
	MessagesQuery = messagesQuery
)
