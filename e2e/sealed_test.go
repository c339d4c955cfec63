package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	payloads "go.temporal.io/api/proxy"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/proto"

	"github.com/paysaga/paysaga/internal/fleet"
	"github.com/paysaga/paysaga/internal/sealed"
	"github.com/paysaga/paysaga/internal/simulator"
	"github.com/paysaga/paysaga/workflows"
)

// A saga begins under one key, meets a worker that has only the next one, and
// ends when both are there.
func TestHistoriesAreSealedAndKeysAreRotated(t *testing.T) {
	first, second := payloadKey("first"), payloadKey("second")
	file := filepath.Join(t.TempDir(), "payload-keys")
	give := func(keys ...string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(strings.Join(keys, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	give(first)
	w := newWorld(t, nil, "PAYLOAD_KEYS_FILE="+file)
	restart := func(members ...*fleet.Member) {
		t.Helper()
		for _, member := range members {
			if err := member.Stop(); err != nil {
				t.Fatal(err)
			}
			if err := member.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	number := w.order(tea)
	w.plan(number, simulator.Plan{Shop: "accept"})
	id := w.pay(number, simulator.PayRequest{})
	w.await("the shop accepts", func() bool { return len(w.truth(number).Shipments) == 1 })

	// An operator has no codec at hand, and a saga hears them all the same.
	err := w.temporal.SignalWorkflow(t.Context(), id, "", "retry", map[string]string{"actor": "olu", "reason": "by hand, in plain text"})
	if err != nil {
		t.Fatal(err)
	}
	w.await("the signal is heard", func() bool { return len(w.payment(id).Requests) == 1 })
	w.rejected(w.payment(id).Requests[0].ID)

	give(second)
	restart(w.fleet.Workers[0])
	w.dispatched(number) // told by the api, which still has the first key
	w.await("the worker without the key fails its task", func() bool {
		return has(w.history(id), enumspb.EVENT_TYPE_WORKFLOW_TASK_FAILED)
	})
	run, err := w.temporal.DescribeWorkflowExecution(t.Context(), id, "")
	if err != nil {
		t.Fatal(err)
	}
	if status := run.WorkflowExecutionInfo.Status; status != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		t.Fatalf("for want of a key the saga is %s", status)
	}

	give(second, first)
	restart(w.fleet.Workers[0], w.fleet.APIs[0])
	w.endsShipped(id, number)

	history := w.history(id)
	byKey := w.sealedBy(history)
	if byKey["first"] == 0 || byKey["second"] == 0 || byKey[""] != 1 { // in the clear is the signal by hand alone
		t.Errorf("payloads by key: %v", byKey)
	}
	if err := replay(w.namespace, history, second, first); err != nil {
		t.Errorf("with both keys: %v", err)
	}
	if err := replay(w.namespace, history, second); err == nil {
		t.Error("it replays without the key it began under")
	}
}

// With and without keys, nothing that names a payer is told to Temporal.
func TestTemporalIsNotToldWhoPays(t *testing.T) {
	w := newWorld(t, nil)
	const phone, street = "13800138000", "Nanshan Road 7"
	number, openID := "E"+rand.Text()[:20], "o"+rand.Text()
	status, _ := w.sell(number, map[string]any{
		"trade_type": "jsapi", "openid": openID, "shipping": map[string]string{"phone": phone, "street": street},
	})
	if status != http.StatusCreated {
		t.Fatalf("answered %d", status)
	}
	id := w.pay(number, simulator.PayRequest{})
	w.endsShipped(id, number)
	text, err := proto.Marshal(w.history(id))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte(number)) {
		t.Error("the history does not even name the order: is it readable?")
	}
	for what, private := range map[string]string{"openid": openID, "phone": phone, "street": street} {
		if bytes.Contains(text, []byte(private)) {
			t.Errorf("the history holds the payer's %s", what)
		}
	}
}

func payloadKey(id string) string {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	return id + ":" + base64.StdEncoding.EncodeToString(secret)
}

// sealedBy counts a history's payloads by the id of their key.
func (w *world) sealedBy(history *historypb.History) map[string]int {
	w.Helper()
	count := map[string]int{}
	err := payloads.VisitPayloads(w.Context(), proto.Clone(history), payloads.VisitPayloadsOptions{
		SkipSearchAttributes: true,
		Visitor: func(_ *payloads.VisitPayloadsContext, visited []*commonpb.Payload) ([]*commonpb.Payload, error) {
			for _, p := range visited {
				count[string(p.Metadata["encryption-key-id"])]++
			}
			return visited, nil
		},
	})
	if err != nil {
		w.Fatal(err)
	}
	return count
}

func has(history *historypb.History, kind enumspb.EventType) bool {
	for _, event := range history.Events {
		if event.EventType == kind {
			return true
		}
	}
	return false
}

// replay runs today's story over a history, with these keys.
func replay(namespace string, history *historypb.History, keys ...string) error {
	ring, err := sealed.ParseKeys(strings.Join(keys, "\n"))
	if err != nil {
		return err
	}
	replayer, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{
		DataConverter: sealed.NewCodec(ring, namespace).DataConverter(),
	})
	if err != nil {
		return err
	}
	replayer.RegisterWorkflowWithOptions(workflows.PaymentSaga, workflow.RegisterOptions{Name: workflows.Type})
	return replayer.ReplayWorkflowHistory(quiet{}, history)
}

// rejected says no to a request, as an approver.
func (w *world) rejected(id string) {
	w.Helper()
	w.must("POST", w.fleet.APIs[0].URL+"/v1/requests/"+id+"/reject", w.fleet.Tokens.Approver,
		map[string]any{"reason": "this was only a test"}, nil)
}

// dispatched is the shop's late word on what it accepted.
func (w *world) dispatched(number string) {
	w.Helper()
	w.control("POST", "/orders/"+number+"/dispatch", nil, nil)
	shipment := w.truth(number).Shipments[0].ShipmentID
	w.must("POST", w.fleet.APIs[0].URL+"/v1/shipments/"+shipment+"/dispatched", w.fleet.Tokens.Merchant,
		map[string]any{"carrier": "SF", "tracking_no": "SF1234567890"}, nil)
}
