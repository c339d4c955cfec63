package workflows

import "go.temporal.io/sdk/workflow"

// One function for each change of the story that runs in flight do not know. A run
// keeps the version in which it first came by; the branch may go once no run that
// began before the change is open.

// asksTheUnanswered: a refund that WeChat was asked for, and gave no answer to, is
// asked about while its payment is held or its shipment is being stopped.
func asksTheUnanswered(ctx workflow.Context) bool {
	return workflow.GetVersion(ctx, "ask-about-unanswered-refund", workflow.DefaultVersion, 1) >= 1
}

// readsWhatCrossed: where two acts were under way at once, the books are read after
// both, because the answer that arrives last need not be the youngest.
func readsWhatCrossed(ctx workflow.Context) bool {
	return workflow.GetVersion(ctx, "read-after-crossing-acts", workflow.DefaultVersion, 1) >= 1
}

// doubtsItsBooks: a run that waits for a person reads the books again now and then.
func doubtsItsBooks(ctx workflow.Context) bool {
	return workflow.GetVersion(ctx, "doubt-books-while-held", workflow.DefaultVersion, 1) >= 1
}
