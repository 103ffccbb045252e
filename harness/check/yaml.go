package check

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	nodes "go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

// maxExpanded bounds a file once its aliases are written out, in bytes and
// counting every value as at least valueSize.
const (
	maxExpanded = 8 << 20
	valueSize   = 16
)

// YAML reads the YAML or JSON documents of a file of the learner's, strictly:
// no key twice, no alias that multiplies the file beyond reason. Integers stay
// integers. Documents without a value are left out.
func (e *Env) YAML(file string) ([]any, error) {
	text, err := e.Submission.Text(file)
	if err != nil {
		return nil, err
	}
	var values []any
	for document := range documents(text) {
		if len(values) == maxObjects {
			return nil, &Failure{Want: "YAML in " + file, Got: fmt.Sprintf("more than %d documents", maxObjects), Hint: "Keep what the lab asks for."}
		}
		value, problem := parse(document)
		if problem != nil {
			return nil, &Failure{Want: "YAML in " + file, Got: problem.got, Hint: problem.hint, Slip: true}
		}
		values = append(values, value)
	}
	return slices.DeleteFunc(values, func(value any) bool { return value == nil }), nil
}

// documents are the parts of a file between lines of ---, but for those of
// comments alone. Each starts with as many blank lines as the file has lines
// before it, so that a parser counts as the learner does.
func documents(text []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		var document []byte
		first, number, holds := 0, 0, false
		for line := range bytes.Lines(append(text, "\n---\n"...)) {
			number++
			trimmed := bytes.TrimSpace(line)
			if rest, marked := bytes.CutPrefix(line, []byte("---")); marked && isComment(bytes.TrimSpace(rest)) {
				if holds && !yield(append(bytes.Repeat([]byte("\n"), first), document...)) {
					return
				}
				document, first, holds = nil, number, false
				continue
			}
			document = append(document, line...)
			holds = holds || !isComment(trimmed)
		}
	}
}

func isComment(trimmed []byte) bool { return len(trimmed) == 0 || trimmed[0] == '#' }

// problem is what is wrong with a text, and what to do about it.
type problem struct{ got, hint string }

// parse reads one document.
func parse(document []byte) (any, *problem) {
	decoder := nodes.NewDecoder(bytes.NewReader(document))
	var root nodes.Node
	if err := decoder.Decode(&root); err != nil {
		return nil, explain(document, err)
	}
	if err := decoder.Decode(&nodes.Node{}); !errors.Is(err, io.EOF) {
		return nil, &problem{"something after the end of a document", "Put each object's lines after a line that holds --- and nothing else."}
	}
	if expanded(&root, map[*nodes.Node]int{}) > maxExpanded {
		return nil, &problem{fmt.Sprintf("aliases (*name) that make the file larger than %d MiB", maxExpanded>>20), "Write the values out instead of multiplying them with anchors and aliases."}
	}
	text, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		return nil, explain(document, err)
	}
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		return nil, explain(document, err)
	}
	return value, nil
}

// expanded is the size of a node with its aliases written out, up to a little
// more than maxExpanded. A node that contains itself is larger than any.
func expanded(node *nodes.Node, known map[*nodes.Node]int) int {
	if size, seen := known[node]; seen {
		return size
	}
	known[node] = maxExpanded + 1
	size := valueSize + len(node.Value)
	if node.Alias != nil {
		size = expanded(node.Alias, known)
	}
	for _, child := range node.Content {
		size = min(size+expanded(child, known), maxExpanded+1)
	}
	known[node] = size
	return size
}

// prefixes are what parsers put before what they have to say.
var prefixes = regexp.MustCompile(`^(error converting YAML to JSON: |error unmarshaling JSON: |yaml: unmarshal errors:\n\s*|yaml: )*`)

// explain words a parser's error.
func explain(document []byte, err error) *problem {
	for number, line := range slices.Collect(bytes.Lines(document)) {
		if bytes.HasPrefix(bytes.TrimSpace(line), []byte("```")) {
			return &problem{fmt.Sprintf("line %d is a Markdown fence: %s", number+1, bytes.TrimSpace(line)), "Remove the lines that start with ```."}
		}
	}
	message := prefixes.ReplaceAllString(err.Error(), "")
	p := &problem{"invalid YAML: " + Printable(strings.TrimSpace(message), 300), ""}
	tab := tabbed(document)
	switch {
	case strings.Contains(message, "already set in map"), strings.Contains(message, "already defined"):
		p.hint = "The same key is there twice in one map; keep one of the two."
	case tab > 0:
		p.hint = fmt.Sprintf("Line %d is indented with a tab; YAML wants spaces.", tab)
	case strings.Contains(message, "cannot start any token"):
		p.hint = "A value that starts with @, %, ` or the like needs quotes around it."
	case strings.Contains(message, "mapping values are not allowed"):
		p.hint = "Check the indentation of that line and the one before it; a value that holds a colon and a space needs quotes."
	default:
		p.hint = "Check indentation, colons and quotes in the line that the message names and in the lines below it."
	}
	return p
}

// tabbed is the number of the first line that is indented with a tab, or 0.
func tabbed(document []byte) int {
	for number, line := range slices.Collect(bytes.Lines(document)) {
		indent := line[:len(line)-len(bytes.TrimLeft(line, " \t"))]
		if bytes.ContainsRune(indent, '\t') && len(bytes.TrimSpace(line)) > 0 {
			return number + 1
		}
	}
	return 0
}
