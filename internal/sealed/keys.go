package sealed

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Keys is a ring of AES-256 keys: the first one seals, and every one opens what
// was sealed under its id. The empty ring seals nothing.
type Keys []key

type key struct {
	id   string
	aead cipher.AEAD
}

// keySize is AES-256's, in bytes.
const keySize = 32

// An id is readable by everybody who sees a payload.
var keyID = regexp.MustCompile(`^[0-9A-Za-z._-]{1,64}$`)

// ParseKeys reads PAYLOAD_KEYS, one id:base64 of 32 random bytes a line. It
// reports all mistakes at once, by line number: a line holds a secret.
//
// To rotate, give every process the new key as the second, then make it the
// first, and take the old one away once the last run it sealed is forgotten.
func ParseKeys(lines string) (Keys, error) {
	var (
		keys     Keys
		mistakes []error
	)
	for i, line := range strings.Split(lines, "\n") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		k, err := parseKey(line)
		if _, known := keys.find(k.id); err == nil && known {
			err = errors.New("the same id twice")
		}
		if err != nil {
			mistakes = append(mistakes, fmt.Errorf("line %d: %w", i+1, err))
			continue
		}
		keys = append(keys, k)
	}
	return keys, errors.Join(mistakes...)
}

func parseKey(line string) (key, error) {
	id, text, _ := strings.Cut(line, ":")
	if !keyID.MatchString(id) {
		return key{}, errors.New("must be id:base64, the id 1-64 of [0-9A-Za-z._-]")
	}
	secret, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(secret) != keySize {
		return key{}, errors.New("the key must be the base64 of 32 bytes")
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return key{}, errors.New("the key is unusable")
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return key{id: id, aead: aead}, err
}

func (ks Keys) find(id string) (key, bool) {
	for _, k := range ks {
		if k.id == id {
			return k, true
		}
	}
	return key{}, false
}
