package strictjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Decode reads data, which must be one strict object, into the struct that into
// points to. Keys must be the struct's own, spelled exactly so, and text must be
// what a database can keep. Its errors are for the sender: they name fields, and
// never repeat values.
func Decode(data []byte, into any) error {
	object, err := Parse(data)
	if err != nil {
		return err
	}
	known := names(into)
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if !known[key] {
			return fmt.Errorf("unknown field %q", clip(key))
		}
		if err := storable(object[key]); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	err = json.Unmarshal(data, into)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("%s: not a %s", wrong.Field, plain(wrong.Type))
	}
	return err
}

// storable refuses what no database keeps: numbers beyond all numbers, NUL, and
// what is left of half a surrogate pair, which encoding/json turns into U+FFFD.
func storable(value any) error {
	switch v := value.(type) {
	case string:
		if strings.ContainsAny(v, "\x00\uFFFD") {
			return errors.New("holds NUL or a broken character")
		}
	case json.Number:
		if _, err := strconv.ParseFloat(v.String(), 64); err != nil {
			return errors.New("a number is out of range")
		}
	case []any:
		for _, element := range v {
			if err := storable(element); err != nil {
				return err
			}
		}
	case Object:
		for key, element := range v {
			if err := errors.Join(storable(key), storable(element)); err != nil {
				return err
			}
		}
	}
	return nil
}

// names are the JSON names of the fields of the struct that into points to.
func names(into any) map[string]bool {
	known := map[string]bool{}
	for field := range reflect.TypeOf(into).Elem().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		known[name] = true
	}
	return known
}

func plain(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Int64, reflect.Int:
		return "whole number"
	case reflect.Slice:
		return "list"
	case reflect.Struct, reflect.Map:
		return "object"
	}
	return t.Kind().String()
}

// clip keeps a foreign key short: it goes into an error's text.
func clip(s string) string {
	const most = 40
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most]) + "…"
}
