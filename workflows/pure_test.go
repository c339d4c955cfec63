package workflows

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// TestPure keeps the story replayable: it reaches no database, no router and no
// WeChat, whatever its acts are given.
func TestPure(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if len(deps) < 100 {
		t.Fatalf("only %d packages: the list is not to be believed", len(deps))
	}
	for _, dep := range deps {
		for _, stranger := range []string{
			"github.com/jackc/pgx", "github.com/go-chi/chi", "github.com/wechatpay-apiv3/wechatpay-go",
			"github.com/paysaga/paysaga/internal/postgres", "github.com/paysaga/paysaga/internal/shop",
		} {
			if strings.HasPrefix(dep, stranger) {
				t.Errorf("workflows reaches %s", dep)
			}
		}
	}
}

// TestReplay runs today's story over histories that earlier code wrote. A failure
// means that a saga in flight would break on deploy: branch with
// workflow.GetVersion, and never edit a history.
//
// Recording: temporal workflow show -w TRANSACTION_ID -o json > testdata/histories/ENDING.json,
// one of each ending, before the first deploy and again with each new version;
// without payload keys, because a replay cannot decrypt.
func TestReplay(t *testing.T) {
	histories, err := filepath.Glob("testdata/histories/*.json")
	if err != nil {
		t.Fatal(err)
	}
	if len(histories) == 0 {
		t.Fatal("no histories in testdata/histories: nothing says that sagas in flight survive a deploy")
	}
	for _, history := range histories {
		t.Run(strings.TrimSuffix(filepath.Base(history), ".json"), func(t *testing.T) {
			replayer := worker.NewWorkflowReplayer()
			replayer.RegisterWorkflowWithOptions(PaymentSaga, workflow.RegisterOptions{Name: Type})
			replayer.RegisterWorkflowWithOptions(CloseOrder, workflow.RegisterOptions{Name: TypeCloseOrder})
			replayer.RegisterWorkflowWithOptions(Reconcile, workflow.RegisterOptions{Name: TypeReconcile})
			if err := replayer.ReplayWorkflowHistoryFromJSONFile(nil, history); err != nil {
				t.Error(err)
			}
		})
	}
}
