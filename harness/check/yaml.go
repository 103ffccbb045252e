package check

import (
	"bytes"
	encodingjson "encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

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
func (e *Env) YAML(file string) (values []any, err error) {
	all, err := e.documents(file)
	for _, d := range all {
		values = append(values, d.value)
	}
	return values, err
}

// document is one of a file: what it says, and where it says it.
type document struct {
	value any
	top   part
}

// documents reads the documents of a file that have a value.
func (e *Env) documents(file string) (all []document, err error) {
	text, err := e.Submission.Text(file)
	if err != nil {
		return nil, err
	}
	for part := range documents(text) {
		d, problem := parse(part)
		if problem == nil && len(all) == maxObjects {
			problem = d.top.problem(fmt.Sprintf("more than %d documents", maxObjects), "Keep what the lab asks for.")
		}
		if problem != nil {
			slip := problem.failure("YAML", file)
			slip.Slip = true
			return nil, slip
		}
		all = append(all, d)
	}
	return slices.DeleteFunc(all, func(d document) bool { return d.value == nil }), nil
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

// problem is what is wrong with a text, what to do about it, and where it is.
type problem struct {
	got, hint string
	Position
}

// failure is a problem as the learner's.
func (p *problem) failure(want, file string) *Failure {
	return &Failure{Want: want + " in " + file, Got: p.got, Hint: p.hint, Position: p.in(file)}
}

// problem is one of that part.
func (p part) problem(got, hint string) *problem { return &problem{got, hint, p.position()} }

// parse reads one document.
func parse(text []byte) (d document, _ *problem) {
	decoder := nodes.NewDecoder(bytes.NewReader(text))
	var root, more nodes.Node
	if err := decoder.Decode(&root); err != nil {
		return d, explain(text, err, broken(text))
	}
	d.top.value = root.Content[0]
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		at := Position{Line: more.Line, Column: more.Column}
		if end := bytes.Index(text, []byte("\n...")); err != nil && end >= 0 {
			at = Position{Line: bytes.Count(text[:end], []byte("\n")) + 2, Column: 1}
		}
		return d, &problem{"something after the end of a document", "Put each object's lines after a line that holds --- and nothing else.", at}
	}
	if expanded(&root, map[*nodes.Node]int{}) > maxExpanded {
		return d, d.top.problem(fmt.Sprintf("aliases (*name) that make the file larger than %d MiB", maxExpanded>>20), "Write the values out instead of multiplying them with anchors and aliases.")
	}
	inJSON, err := yaml.YAMLToJSONStrict(text)
	if err == nil {
		err = json.Unmarshal(inJSON, &d.value)
	}
	if err != nil {
		return d, explain(text, err, repeated(d.top))
	}
	return d, nil
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

// lineNumber is what a parser says of where it gave up.
var lineNumber = regexp.MustCompile(`^line \d+: `)

// explain words a parser's error about what is at that position.
func explain(text []byte, err error, at Position) *problem {
	for number, line := range slices.Collect(bytes.Lines(text)) {
		if bytes.HasPrefix(bytes.TrimSpace(line), []byte("```")) {
			return &problem{fmt.Sprintf("line %d is a Markdown fence: %s", number+1, bytes.TrimSpace(line)), "Remove the lines that start with ```.",
				Position{Line: number + 1, Column: bytes.IndexByte(line, '`') + 1}}
		}
	}
	message := prefixes.ReplaceAllString(err.Error(), "")
	if at.Line > 0 { // a parser counts some lines from 0
		message = lineNumber.ReplaceAllString(message, fmt.Sprintf("line %d: ", at.Line))
	}
	p := &problem{"invalid YAML: " + Printable(strings.TrimSpace(message), 300), "", at}
	tab := tabbed(text)
	switch {
	case strings.Contains(message, "already set in map"), strings.Contains(message, "already defined"):
		p.hint = "The same key is there twice in one map; keep one of the two."
	case tab.Line > 0:
		p.hint, p.Position = fmt.Sprintf("Line %d is indented with a tab; YAML wants spaces.", tab.Line), tab
	case strings.Contains(message, "cannot start any token"):
		p.hint = "A value that starts with @, %, ` or the like needs quotes around it."
	case strings.Contains(message, "mapping values are not allowed"):
		p.hint = "Check the indentation of that line and the one before it; a value that holds a colon and a space needs quotes."
	default:
		p.hint = "Check indentation, colons and quotes in the line that the message names and in the lines below it."
	}
	return p
}

// maxSearched bounds what broken reads, in bytes.
const maxSearched = 16 << 20

// broken is where a text stops being YAML: behind the longest beginning of it
// that is. Parsers name the line where the innermost unfinished thing begins.
func broken(text []byte) Position {
	if at, isJSON := brokenJSON(text); isJSON {
		return at
	}
	blank := len(text) - len(bytes.TrimLeft(text, "\n"))
	good, line := blank, blank+1
	if len(text)*bytes.Count(text[blank:], []byte("\n")) > maxSearched {
		return Position{}
	}
	for end, number := blank, blank+1; end < len(text); number++ {
		next := bytes.IndexByte(text[end:], '\n') + 1
		if next == 0 {
			break
		}
		if end += next; wellFormed(text[:end]) {
			good, line = end, number+1
		}
	}
	at := Position{Line: line}
	wrong, _, _ := bytes.Cut(text[good:], []byte("\n"))
	if len(text)*len(wrong) > maxSearched {
		return at
	}
	at.Column = 1
	for i, r := range string(wrong) {
		if end := i + utf8.RuneLen(r); wellFormed(text[:good+end]) {
			at.Column = utf8.RuneCount(wrong[:end]) + 1
		}
	}
	return at
}

func wellFormed(text []byte) bool {
	err := nodes.NewDecoder(bytes.NewReader(text)).Decode(&nodes.Node{})
	return err == nil || errors.Is(err, io.EOF)
}

// brokenJSON is where a text that begins as JSON stops being it.
func brokenJSON(text []byte) (at Position, isJSON bool) {
	begin := bytes.TrimLeft(text, " \t\n")
	if !bytes.HasPrefix(begin, []byte("{")) || !bytes.HasPrefix(bytes.TrimLeft(begin[1:], " \t\n"), []byte(`"`)) {
		return at, false
	}
	var wrong *encodingjson.SyntaxError
	if err := encodingjson.Unmarshal(text, new(any)); !errors.As(err, &wrong) {
		return at, false
	}
	before := text[:max(wrong.Offset-1, 0)]
	last := before[bytes.LastIndexByte(before, '\n')+1:]
	return Position{Line: bytes.Count(before, []byte("\n")) + 1, Column: utf8.RuneCount(last) + 1}, true
}

// repeated is the first key that is there for the second time in one map.
func repeated(p part) Position {
	seen := map[string]bool{}
	for entry, name := range p.entries() {
		if entry.key != nil && seen[name] {
			return entry.keyPosition()
		}
		seen[name] = true
		if entry.value.Kind == nodes.AliasNode { // what it stands for was looked at
			continue
		}
		if at := repeated(entry); at.Line > 0 {
			return at
		}
	}
	return Position{}
}

// tabbed is the first tab that a line is indented with.
func tabbed(text []byte) Position {
	for number, line := range slices.Collect(bytes.Lines(text)) {
		indent := line[:len(line)-len(bytes.TrimLeft(line, " \t"))]
		if tab := bytes.IndexByte(indent, '\t'); tab >= 0 && len(bytes.TrimSpace(line)) > 0 {
			return Position{Line: number + 1, Column: tab + 1}
		}
	}
	return Position{}
}
