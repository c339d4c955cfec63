// Package strictjson reads JSON from outside that encoding/json is too kind to:
// it refuses what two readers could understand in two ways. Keys are exact in
// case and there once, text is valid UTF-8 without a byte order mark, nesting is
// bounded, nothing follows the value, and an integer is written as one.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"
)

// MaxDepth is how deep objects and arrays may nest; WeChat's deepest message
// has four levels.
const MaxDepth = 16

// ErrNotObject says that the input is no object, or not one that every reader
// understands alike. It says no more: its text must not repeat the input.
var ErrNotObject = errors.New("not one strict JSON object")

// Object is an object whose keys were each there once. Its values are string,
// json.Number, bool, nil, Object or []any.
type Object map[string]any

// Parse reads exactly one object, and fails with ErrNotObject.
func Parse(data []byte) (Object, error) {
	if !utf8.Valid(data) || bytes.HasPrefix(data, []byte("\xef\xbb\xbf")) {
		return nil, ErrNotObject
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	root, err := value(d, MaxDepth)
	if err != nil {
		return nil, ErrNotObject
	}
	object, ok := root.(Object)
	if _, err := d.Token(); !ok || err != io.EOF {
		return nil, ErrNotObject
	}
	return object, nil
}

// Text is a string under key; false if there is none or something else.
func (o Object) Text(key string) (string, bool) {
	s, ok := o[key].(string)
	return s, ok
}

// Int is an integer under key that was written as one and fits 64 bits; 100.0,
// 1e2 and "100" are none.
func (o Object) Int(key string) (int64, bool) {
	number, ok := o[key].(json.Number)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(number.String(), 10, 64)
	if err != nil { // ParseInt then returns the nearest that fits
		return 0, false
	}
	return n, true
}

// Object is an object under key; false if there is none or something else.
func (o Object) Object(key string) (Object, bool) {
	inner, ok := o[key].(Object)
	return inner, ok
}

func value(d *json.Decoder, depth int) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	open, ok := token.(json.Delim)
	switch {
	case !ok:
		return token, nil
	case depth == 0:
		return nil, ErrNotObject
	case open == '{':
		return object(d, depth-1)
	default: // '[': the decoder lets no closing bracket stand for a value
		return array(d, depth-1)
	}
}

func object(d *json.Decoder, depth int) (Object, error) {
	members := Object{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		key, _ := token.(string) // the decoder takes nothing else for a key
		if _, twice := members[key]; twice {
			return nil, ErrNotObject
		}
		if members[key], err = value(d, depth); err != nil {
			return nil, err
		}
	}
	_, err := d.Token()
	return members, err
}

func array(d *json.Decoder, depth int) ([]any, error) {
	items := []any{}
	for d.More() {
		item, err := value(d, depth)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	_, err := d.Token()
	return items, err
}
