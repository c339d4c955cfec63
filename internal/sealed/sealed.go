// Package sealed keeps the contents of Temporal's histories from whoever reads
// Temporal's database, its UI or its backups: what sagas and acts are told and
// answer, memos, summaries, failure messages and stack traces are encrypted
// before they leave the process. Ids and search attributes are not: nothing that
// names a person may be in them.
package sealed

import (
	"errors"
	"fmt"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"
)

// Encoding marks a payload as sealed, and metadataKeyID names its key. Temporal's
// own samples use the same words.
const (
	Encoding      = "binary/encrypted"
	metadataKeyID = "encryption-key-id"
)

// ErrUnknownKey says that a payload is sealed under a key which the ring does not
// hold. Its text names the key's id, which is no secret.
var ErrUnknownKey = errors.New("PAYLOAD_KEYS does not hold the key of this payload")

var errDamaged = errors.New("a sealed payload is damaged, or was sealed for another namespace")

// Codec seals and opens payloads of one namespace; it is a converter.PayloadCodec.
type Codec struct {
	keys      Keys
	namespace string
}

// NewCodec seals under the first of keys. A payload is bound to its namespace: it
// cannot be carried into another one that has the same keys.
func NewCodec(keys Keys, namespace string) *Codec { return &Codec{keys, namespace} }

// Encode seals payloads, metadata included; without a key it hands them back.
func (c *Codec) Encode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	if len(c.keys) == 0 {
		return payloads, nil
	}
	first := c.keys[0]
	return each(payloads, func(p *commonpb.Payload) (*commonpb.Payload, error) {
		plain, err := proto.Marshal(p)
		if err != nil {
			return nil, errors.New("a payload cannot be marshalled")
		}
		return &commonpb.Payload{
			Metadata: map[string][]byte{converter.MetadataEncoding: []byte(Encoding), metadataKeyID: []byte(first.id)},
			Data:     first.aead.Seal(nil, nil, plain, c.bound(first.id)), // a random nonce comes first
		}, nil
	})
}

// Decode opens what is sealed. Anything else passes through: histories from before
// there were keys, and what an operator signals by hand. ErrUnknownKey if the
// ring lacks a key; any other error is for good.
func (c *Codec) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	return each(payloads, func(p *commonpb.Payload) (*commonpb.Payload, error) {
		if string(p.GetMetadata()[converter.MetadataEncoding]) != Encoding {
			return p, nil
		}
		id := string(p.GetMetadata()[metadataKeyID])
		k, known := c.keys.find(id)
		switch {
		case !keyID.MatchString(id): // a stranger's words are not repeated
			return nil, errDamaged
		case !known:
			return nil, fmt.Errorf("%w: %s", ErrUnknownKey, id)
		}
		plain, err := k.aead.Open(nil, nil, p.GetData(), c.bound(id))
		if err != nil {
			return nil, errDamaged
		}
		opened := new(commonpb.Payload)
		if err := proto.Unmarshal(plain, opened); err != nil {
			return nil, errDamaged
		}
		return opened, nil
	})
}

// bound is what a sealed payload is tied to beside its content.
func (c *Codec) bound(id string) []byte {
	return []byte(Encoding + "\x00" + id + "\x00" + c.namespace)
}

func each(payloads []*commonpb.Payload, turn func(*commonpb.Payload) (*commonpb.Payload, error)) ([]*commonpb.Payload, error) {
	turned := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		var err error
		if turned[i], err = turn(p); err != nil {
			return nil, err
		}
	}
	return turned, nil
}
