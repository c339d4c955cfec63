package sealed

import (
	"context"
	"errors"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// DataConverter is the SDK's own one behind the codec.
//
// Inside a workflow a missing key is not an error but a panic, as the SDK asks for
// what may pass: the task fails and is tried until the process has the key, while
// an error would be the saga's end, or an act's answer that it never gave.
func (c *Codec) DataConverter() converter.DataConverter {
	return &dataConverter{
		DataConverter: converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), c),
		inWorkflow:    converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), insistent{c}),
	}
}

// FailureConverter seals the messages and stack traces of failures as well,
// wherever there is a key. A failure's type is left readable: the saga goes by it.
func (c *Codec) FailureConverter() converter.FailureConverter {
	return temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{
		DataConverter: c.DataConverter(), EncodeCommonAttributes: len(c.keys) > 0,
	})
}

type dataConverter struct {
	converter.DataConverter
	inWorkflow converter.DataConverter
}

// WithWorkflowContext is how the SDK says that it is inside a workflow.
func (d *dataConverter) WithWorkflowContext(workflow.Context) converter.DataConverter {
	return d.inWorkflow
}

// WithContext is how it says that it is anywhere else.
func (d *dataConverter) WithContext(context.Context) converter.DataConverter {
	return d.DataConverter
}

type insistent struct{ *Codec }

func (c insistent) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	opened, err := c.Codec.Decode(payloads)
	if errors.Is(err, ErrUnknownKey) {
		panic(err)
	}
	return opened, err
}
