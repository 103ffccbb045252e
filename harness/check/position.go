package check

import (
	"bytes"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"unicode/utf8"

	nodes "go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Position is where in a submission something is. The zero Position is nowhere.
type Position struct {
	File   string `json:"file"`             // in the submission, with slashes
	Line   int    `json:"line,omitempty"`   // from 1; 0 where it is unknown
	Column int    `json:"column,omitempty"` // from 1, in characters; 0 where it is unknown
}

// String is the position as compilers write it, as far as it is known.
func (p Position) String() string {
	text := p.File
	for _, number := range []int{p.Line, p.Column} {
		if number == 0 {
			break
		}
		text += ":" + strconv.Itoa(number)
	}
	return text
}

// in is a position of a file, or the file alone.
func (p Position) in(file string) Position {
	p.File = file
	return p
}

// characters turns a column in bytes, as Go and the shell count, into one in
// characters.
func (p Position) characters(text []byte) Position {
	lines := bytes.Split(text, []byte("\n"))
	if p.Line == 0 || p.Line > len(lines) {
		return p
	}
	if line := lines[p.Line-1]; p.Column > 0 && p.Column-1 <= len(line) {
		p.Column = utf8.RuneCount(line[:p.Column-1]) + 1
	}
	return p
}

// written is where an object of the learner's is written.
type written struct {
	file string
	top  part
}

// Position is where a field of an object that Objects returned is written, such
// as spec.containers[0].image or subjects[0]; where there is no such field, it is
// that of the nearest one above it.
func (e *Env) Position(object *unstructured.Unstructured, path string) Position {
	from := e.writtenAt(object)
	found, _ := from.top.down(path, anyNode)
	return found.position().in(from.file)
}

func (e *Env) writtenAt(object *unstructured.Unstructured) written {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.written[object]
}

// part is an entry of a map with its key, an entry of a list or, both without a
// key, a whole document.
type part struct{ key, value *nodes.Node }

// position is where a reader looks for the field: at its value where that is a
// word or a number, at its key otherwise.
func (p part) position() Position {
	switch at := p.value; {
	case at == nil:
		return Position{}
	case p.key == nil, at.Kind == nodes.ScalarNode && at.Value != "", at.Kind == nodes.AliasNode:
		return Position{Line: at.Line, Column: at.Column}
	}
	return p.keyPosition()
}

func (p part) keyPosition() Position {
	if p.key == nil {
		return p.position()
	}
	return Position{Line: p.key.Line, Column: p.key.Column}
}

// down is the first field at a path below this one whose value fits, or the
// nearest one above it; whole tells which. The path is as Kubernetes writes one:
// a.b[0].c, m[key], list[name]; Go's decoder leaves the indexes out.
func (p part) down(path string, fits func(*nodes.Node) bool) (found part, whole bool) {
	path = strings.TrimPrefix(path, ".")
	if p.value == nil || path == "" {
		return p, p.value != nil && fits(p.meant())
	}
	found = p
	for below, rest := range p.toward(path) {
		further, whole := below.down(rest, fits)
		if whole {
			return further, true
		}
		if found == p {
			found = further
		}
	}
	return found, false
}

func anyNode(*nodes.Node) bool { return true }

// meant is the value with an alias followed.
func (p part) meant() *nodes.Node {
	if p.value.Alias != nil {
		return p.value.Alias
	}
	return p.value
}

// toward are the entries of a map or a list with which a path may go on, each
// with the rest of the path. Keys may hold the signs that paths are made of.
func (p part) toward(path string) iter.Seq2[part, string] {
	return func(yield func(part, string) bool) {
		for entry, name := range p.entries() {
			for _, step := range []string{name, "[" + name + "]", "[" + entry.called() + "]"} {
				rest, begins := strings.CutPrefix(path, step)
				if begins && (rest == "" || strings.ContainsRune(".[", rune(rest[0]))) && !yield(entry, rest) {
					return
				}
			}
			if entry.key == nil && path[0] != '[' && !yield(entry, path) {
				return
			}
		}
	}
}

// called is the name of an entry of a list, as containers and volumes have one.
func (p part) called() string {
	if p.key == nil {
		for entry, name := range p.entries() {
			if name == "name" {
				return entry.value.Value
			}
		}
	}
	return ""
}

// entries are those of a map by their keys, with what it merges (<<) after its
// own, or those of a list by their numbers.
func (p part) entries() iter.Seq2[part, string] {
	return func(yield func(part, string) bool) {
		if p.value == nil {
			return
		}
		switch value := p.meant(); value.Kind {
		case nodes.MappingNode:
			var merged []part
			for i := 0; i+1 < len(value.Content); i += 2 {
				entry := part{value.Content[i], value.Content[i+1]}
				if entry.key.ShortTag() == "!!merge" {
					merged = append(merged, part{value: entry.value})
					continue
				}
				if !yield(entry, entry.key.Value) {
					return
				}
			}
			for _, m := range merged {
				for entry, name := range m.entries() {
					if !yield(entry, name) {
						return
					}
				}
			}
		case nodes.SequenceNode:
			for i, item := range value.Content {
				if !yield(part{value: item}, fmt.Sprint(i)) {
					return
				}
			}
		}
	}
}
