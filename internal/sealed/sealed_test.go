package sealed_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	commonpb "go.temporal.io/api/common/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/proto"

	"github.com/paysaga/paysaga/internal/sealed"
)

// line is a key as PAYLOAD_KEYS has it.
func line(id string, fill byte) string {
	return id + ":" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{fill}, 32))
}

func codec(t *testing.T, namespace string, lines ...string) *sealed.Codec {
	t.Helper()
	keys, err := sealed.ParseKeys(strings.Join(lines, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return sealed.NewCodec(keys, namespace)
}

func plain(t *testing.T, value any) *commonpb.Payload {
	t.Helper()
	p, err := converter.GetDefaultDataConverter().ToPayload(value)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func seal(t *testing.T, c *sealed.Codec, value any) *commonpb.Payload {
	t.Helper()
	sealed, err := c.Encode([]*commonpb.Payload{plain(t, value)})
	if err != nil || len(sealed) != 1 {
		t.Fatalf("%d payloads, %v", len(sealed), err)
	}
	return sealed[0]
}

func open(c *sealed.Codec, p *commonpb.Payload) (string, error) {
	opened, err := c.Decode([]*commonpb.Payload{p})
	if err != nil {
		return "", err
	}
	var text string
	err = converter.GetDefaultDataConverter().FromPayload(opened[0], &text)
	return text, err
}

const secret = "what nobody may read"

func TestWhatIsSealedIsReadByWhoHasTheKey(t *testing.T) {
	one, two := line("one", 1), line("two", 2)
	for name, row := range map[string]struct {
		sealedBy, openedBy []string
		want               error
	}{
		"the same key":                           {[]string{one}, []string{one}, nil},
		"the key is the second now":              {[]string{one}, []string{two, one}, nil},
		"the key was the second, and came first": {[]string{two, one}, []string{two}, nil},
		"the key was taken away":                 {[]string{one}, []string{two}, sealed.ErrUnknownKey},
		"no key at all":                          {[]string{one}, nil, sealed.ErrUnknownKey},
		"nothing was sealed":                     {nil, []string{one}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			p := seal(t, codec(t, "payments", row.sealedBy...), secret)
			if hidden := !bytes.Contains(p.Data, []byte(secret)); hidden != (row.sealedBy != nil) {
				t.Errorf("hidden: %t", hidden)
			}
			got, err := open(codec(t, "payments", row.openedBy...), p)
			if !errors.Is(err, row.want) || (row.want == nil) != (err == nil) || (err == nil && got != secret) {
				t.Errorf("opened %q, %v; want error %v", got, err, row.want)
			}
			if row.want != nil && !strings.Contains(err.Error(), ": one") {
				t.Errorf("the error does not name the key: %v", err)
			}
		})
	}
}

func TestTheSameWordsAreNeverSealedTheSameWay(t *testing.T) {
	c := codec(t, "payments", line("one", 1))
	if a, b := seal(t, c, secret), seal(t, c, secret); bytes.Equal(a.Data, b.Data) {
		t.Error("two payloads share a nonce")
	}
}

func TestWhatWasTamperedWithIsRefused(t *testing.T) {
	keys := []string{line("one", 1), line("twin", 1)} // one key under two names
	c := codec(t, "payments", keys...)
	for name, tamper := range map[string]func(*commonpb.Payload){
		"a bit of it is turned":    func(p *commonpb.Payload) { p.Data[len(p.Data)/2] ^= 1 },
		"the end of it is missing": func(p *commonpb.Payload) { p.Data = p.Data[:len(p.Data)-1] },
		"all of it is missing":     func(p *commonpb.Payload) { p.Data = nil },
		"it names another key":     func(p *commonpb.Payload) { p.Metadata["encryption-key-id"] = []byte("twin") },
		"it names no key":          func(p *commonpb.Payload) { delete(p.Metadata, "encryption-key-id") },
		"it names a story":         func(p *commonpb.Payload) { p.Metadata["encryption-key-id"] = []byte(secret + "\n") },
	} {
		t.Run(name, func(t *testing.T) {
			p := seal(t, c, secret)
			tamper(p)
			_, err := open(c, p)
			if err == nil || errors.Is(err, sealed.ErrUnknownKey) || strings.Contains(err.Error(), secret) {
				t.Errorf("opened with %v", err)
			}
		})
	}
	if _, err := open(codec(t, "staging", keys...), seal(t, c, secret)); err == nil {
		t.Error("it was carried into another namespace and read there")
	}
}

func TestWhatIsNotOursPassesThrough(t *testing.T) {
	c := codec(t, "payments", line("one", 1))
	for name, p := range map[string]*commonpb.Payload{
		"a signal sent by hand":   plain(t, map[string]string{"actor": "ann"}),
		"another codec's payload": {Metadata: map[string][]byte{"encoding": []byte("binary/zlib")}, Data: []byte{1}},
		"no metadata":             {Data: []byte("{}")},
		"nothing":                 {},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.Decode([]*commonpb.Payload{p})
			if err != nil || len(got) != 1 || !proto.Equal(got[0], p) {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
}

func TestFailuresSaySealedOnlyWhatSagasGoBy(t *testing.T) {
	failure := temporal.NewApplicationError(secret, "refused", secret)
	c := codec(t, "payments", line("one", 1))
	wire := c.FailureConverter().ErrorToFailure(failure)
	text, err := proto.Marshal(wire)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(text, []byte(secret)) || wire.GetApplicationFailureInfo().GetType() != "refused" {
		t.Errorf("on the wire: %v", wire)
	}
	back := c.FailureConverter().FailureToError(proto.Clone(wire).(*failurepb.Failure))
	if !strings.Contains(back.Error(), secret) {
		t.Errorf("came back as %v", back)
	}
	if bare := codec(t, "payments").FailureConverter().ErrorToFailure(failure); bare.Message != secret {
		t.Errorf("without keys: %q", bare.Message)
	}
}

// Inside a workflow the SDK asks for a panic where a task should be tried again.
func TestAMissingKeyStopsTheTaskAndNotTheSaga(t *testing.T) {
	p := seal(t, codec(t, "payments", line("one", 1)), secret)
	outside := codec(t, "payments", line("two", 2)).DataConverter()
	aware, ok := outside.(interface {
		WithWorkflowContext(converter.WorkflowContext) converter.DataConverter
	})
	if !ok {
		t.Fatal("the SDK cannot say that it is inside a workflow")
	}
	inside := aware.WithWorkflowContext(nil)
	var text string
	if err := outside.FromPayload(p, &text); !errors.Is(err, sealed.ErrUnknownKey) {
		t.Errorf("outside: %v", err)
	}
	defer func() {
		if cause, _ := recover().(error); !errors.Is(cause, sealed.ErrUnknownKey) {
			t.Errorf("inside: %v", cause)
		}
	}()
	err := inside.FromPayload(p, &text)
	t.Errorf("inside it is an error, and a saga's end: %v", err)
}
