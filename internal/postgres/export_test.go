package postgres

// LeaseDueSQL is what the test of its plan explains.
const LeaseDueSQL = leaseDueSQL

// What the test of the lists' plans explains.
var (
	CasesQuery    = casesQuery
	PaymentsQuery = paymentsQuery
	MessagesQuery = messagesQuery
	KeptQuery     = keptQuery
)

// FigureQuestions are what the books are asked at each scrape, by the figure's name.
func FigureQuestions() map[string]string {
	asked := map[string]string{}
	for _, f := range figures {
		asked[f.Name] = f.sql
	}
	return asked
}
