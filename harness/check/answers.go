package check

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Answer is one key that a file of answers must have.
type Answer struct {
	Key   string
	Right []string // the values that are right
	Hint  string   // for another value
}

// Answers compares a learner's file of answers, a flat map of strings and whole
// numbers, with what is right, as source has it ("as in the refusal"). The failure names all
// wrong keys at once, in the order of expected.
func (e *Env) Answers(file, source string, expected ...Answer) error {
	documents, err := e.documents(file)
	if err != nil {
		return err
	}
	keys := make([]string, len(expected))
	for i, answer := range expected {
		keys[i] = answer.Key
	}
	fail := func(at Position, got, hint string) *Failure {
		return &Failure{Want: file + " with the keys " + list(keys) + " and no other", Got: got, Hint: hint, Position: at.in(file)}
	}
	slip := func(at Position, got, hint string) error {
		err := fail(at, got, hint)
		err.Slip = true
		return err
	}
	if len(documents) != 1 {
		var second Position
		if len(documents) > 1 {
			second = documents[1].top.position()
		}
		return slip(second, fmt.Sprintf("%d documents", len(documents)), "Write a line of the form key: value for each key, and no line of ---.")
	}
	top := documents[0].top
	given, isMap := documents[0].value.(map[string]any)
	if _, isList := documents[0].value.([]any); isList {
		return slip(top.position(), "a list", "Write key: value without dashes.")
	}
	if !isMap {
		return slip(top.position(), "text without keys", "Write key: value, with a space after the colon.")
	}

	var wrong, got []string
	var hint string
	var at Position // of the first that is there
	for _, answer := range expected {
		if found, advice := answer.compare(given); found != "" {
			wrong, got, hint = append(wrong, answer.Key), append(got, found), advice
			if value, there := top.down(answer.Key, anyNode); there && at.Line == 0 {
				at = value.position()
			}
		}
	}
	if len(wrong) > 0 {
		if len(wrong) > 1 {
			hint = "Go through them one by one, each with its question in the lab's text."
		}
		return &Failure{Want: list(wrong) + " " + source, Got: strings.Join(got, "; "), Hint: hint, Position: at.in(file)}
	}
	maps.DeleteFunc(given, func(key string, _ any) bool { return slices.Contains(keys, key) })
	if len(given) == 0 {
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(given)) {
		got = append(got, quote(key))
		if extra, _ := top.down(key, anyNode); at.Line == 0 {
			at = extra.keyPosition()
		}
	}
	return fail(at, "also "+list(got), "Remove what is not asked for.")
}

// compare returns what was found in place of a right answer, and what to do
// about it, or "".
func (a Answer) compare(given map[string]any) (found, hint string) {
	value, there := given[a.Key]
	if !there {
		for _, key := range slices.Sorted(maps.Keys(given)) {
			if strings.EqualFold(key, a.Key) {
				return "the key " + quote(key) + " for " + a.Key, "Capitals count: write " + a.Key + "."
			}
		}
		return "no key " + a.Key, "Add the line " + a.Key + ": and your answer."
	}
	text, isString := value.(string)
	if number := whole(value); number != "" { // nobody puts one in quotes who is asked for a number
		text, isString = number, true
	}
	switch text = strings.TrimSpace(text); {
	case value == nil:
		return a.Key + " without a value", "Write the answer after the colon and a space."
	case !isString:
		return a.Key + ": " + Printable(fmt.Sprint(value), 60) + ", which is not a string", a.Hint
	case slices.Contains(a.Right, text):
		return "", ""
	}
	found = a.Key + ": " + quote(text)
	if slices.ContainsFunc(a.Right, func(right string) bool { return strings.EqualFold(text, right) }) {
		return found + " (capitals count)", "Write it with the capitals that the API server uses."
	}
	return found, a.Hint
}

// whole is a whole number as people write one, or "".
func whole(value any) string {
	switch value := value.(type) {
	case int64:
		return strconv.FormatInt(value, 10)
	case float64:
		if value == math.Trunc(value) {
			return strconv.FormatFloat(value, 'f', -1, 64)
		}
	}
	return ""
}

// list is words in a sentence: "a, b and c".
func list(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}
