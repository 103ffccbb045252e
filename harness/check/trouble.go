package check

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// Trouble is why a program could not do what it was written for, as far as it
// can be told from what it wrote to stderr.
type Trouble struct {
	What     string // "the image has no jq"
	Hint     string
	Position Position // in the program
}

var (
	// notFound are the messages about a missing command of sh, of BusyBox and
	// of Go.
	notFound = regexp.MustCompile(`(?m): ([\w.+-]{1,60}): not found$|can't execute '([\w./+-]{1,60})': No such file|exec: "([\w./+-]{1,60})": executable file not found`)
	// syntaxError is sh's message about the script itself.
	syntaxError = regexp.MustCompile(`(?m)^[^\n:]+: (?:line \d+: )?syntax error.*$`)
	// inLine is how sh says where it was when it complained.
	inLine = regexp.MustCompile(`^[^\n:]+: line (\d+): `)
	// unexpanded is an Authorization header in single quotes that was meant to
	// be expanded.
	unexpanded = regexp.MustCompile(`'[^'\n]*Bearer[^'\n]*\$[({\w][^'\n]*'`)
)

// bashCommands are commands of bash's own that sh lacks.
var bashCommands = []string{"declare", "mapfile", "readarray", "shopt", "pushd", "popd", "typeset", "bash"}

// maxParsed bounds what a script can do to the parser that explains its
// syntax errors.
const maxParsed = 32 << 10

// Trouble returns the first trouble that the program's stderr tells of, or nil.
func (r *Run) Trouble() *Trouble {
	if r.Program.script {
		if message := syntaxError.FindString(r.Stderr); message != "" {
			return r.Program.syntaxTrouble(message)
		}
	}
	if match := notFound.FindStringSubmatch(r.Stderr); match != nil {
		command, at := path.Base(match[1]+match[2]+match[3]), r.Program.complained(r.Stderr, match[0])
		switch {
		case slices.Contains(bashCommands, command):
			return notBash("", command, at)
		case r.Program.script && regexp.MustCompile(`(?m)^\s*`+regexp.QuoteMeta(command)+`\s+=`).Match(r.Program.bytes):
			return &Trouble{"a command " + command + ", where a variable was meant", "Write no space around the = of a variable: " + command + "=value.", at}
		}
		return &Trouble{"the image has no " + command, "Do without " + command + ": use only commands that the lab image has.", at}
	}
	return nil
}

// Position is the program's file.
func (p *Program) Position() Position { return Position{File: p.Name} }

// complained is where in a script sh was when it wrote a line with that text to
// stderr; of another program it is the file alone.
func (p *Program) complained(stderr, text string) Position {
	at := p.Position()
	before, after, _ := strings.Cut(stderr, text)
	line := before[strings.LastIndexByte(before, '\n')+1:] + text + after
	if said := inLine.FindStringSubmatch(line); p.script && said != nil {
		at.Line, _ = strconv.Atoi(said[1]) // they are digits
		at.Line = min(at.Line, bytes.Count(p.bytes, []byte("\n"))+1)
	}
	return at
}

// at is a position that the parser of scripts names.
func (p *Program) at(pos syntax.Pos) Position {
	return Position{p.Name, int(pos.Line()), int(pos.Col())}.characters(p.bytes)
}

// syntaxTrouble says what is wrong with a script that sh does not understand.
// sh names the line at which it gave up, often the last one; a parser knows
// where the quote was opened, and what is bash's.
func (p *Program) syntaxTrouble(message string) *Trouble {
	trouble := &Trouble{Printable(message, 200), "Look for a quote, a bracket, or a word such as fi or done that is missing there or above.", p.complained(message, message)}
	if len(p.bytes) > maxParsed {
		return trouble
	}
	var wrong syntax.ParseError
	var bash syntax.LangError
	switch {
	case errors.As(p.parse(syntax.LangBash), &wrong):
		trouble.What = fmt.Sprintf("%s: line %d: %s", path.Base(p.Name), wrong.Pos.Line(), Printable(wrong.Text, 200))
		trouble.Position = p.at(wrong.Pos)
	case errors.As(p.parse(syntax.LangPOSIX), &bash):
		return notBash(fmt.Sprintf("%s: line %d: ", path.Base(p.Name), bash.Pos.Line()), bash.Feature, p.at(bash.Pos))
	}
	return trouble
}

func (p *Program) parse(language syntax.LangVariant) error {
	_, err := syntax.NewParser(syntax.Variant(language)).Parse(bytes.NewReader(p.bytes), "")
	return err
}

func notBash(where, what string, at Position) *Trouble {
	return &Trouble{
		What:     where + "the image's sh is not bash (" + what + ")",
		Hint:     "Write the script for a POSIX sh, whatever its first line says.",
		Position: at,
	}
}

// QuotesToken reports whether the program keeps its token from being expanded:
// the Authorization header is in single quotes.
func (p *Program) QuotesToken() bool { return p.script && unexpanded.Match(p.bytes) }
