package doctor

import (
	"slices"
	"strings"
)

// Level says what a finding means for the person.
type Level int

// The levels of a finding.
const (
	OK   Level = iota // as it should be
	Note              // worth knowing; labs can run
	Fix               // labs cannot run before something is done
)

func (l Level) String() string { return [...]string{"[ok] ", "[note]", "[fix]"}[l] }

// Finding is one thing that was looked at.
type Finding struct {
	Level Level
	Topic Topic
	Says  string   // in sentences
	Next  []Advice // ways on, the best first
}

// Topic is what a finding is about.
type Topic string

// The topics, in the order they are looked at.
const (
	Embedded   Topic = "embedded"
	Engine     Topic = "engine"
	Privileged Topic = "privileged"
	Rootless   Topic = "rootless"
	Existing   Topic = "existing"
	Cgroup     Topic = "cgroup"
	Inotify    Topic = "inotify"
	NodeImage  Topic = "node image"
	Go         Topic = "go"
	Disk       Topic = "disk"
)

// atMost is the finding with a level no graver than that.
func (f Finding) atMost(level Level) Finding {
	f.Level = min(f.Level, level)
	return f
}

// Advice is a way on.
type Advice struct {
	When    string // for whom it is, or what it does
	Command string // as typed
}

// withoutSudo is for a person who is root already, where sudo may be missing.
func withoutSudo(next []Advice) []Advice {
	shorter := make([]Advice, len(next))
	for i, a := range next {
		a.Command = strings.NewReplacer(`sudo env "PATH=$PATH" `, "", "sudo ", "").Replace(a.Command)
		shorter[i] = a
	}
	return shorter
}

// Report is all that was found.
type Report struct{ Findings []Finding }

// Ready reports whether labs can run.
func (r Report) Ready() bool {
	return !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Level == Fix })
}

// toDo is what a person does about a report that is not ready. One cluster is
// enough: what keeps the embedded one from starting is only a note where kind
// would do, and yet it may be the easier thing to mend.
func (r Report) toDo(m Machine) string {
	const fix = "Fix the items marked [fix]"
	if m.GOOS == "linux" && slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Topic == Embedded && f.Level == Note }) {
		return fix + ", or do what is said about the embedded cluster"
	}
	return fix
}

const (
	width  = 80
	indent = "       "
)

// String is the finding as a person reads it.
func (f Finding) String() string {
	var b strings.Builder
	for i, line := range wrap(f.Says, width-len(indent)) {
		lead := indent
		if i == 0 {
			lead = (f.Level.String() + indent)[:len(indent)]
		}
		b.WriteString(lead + line + "\n")
	}
	for _, a := range f.Next {
		for _, line := range wrap(a.When+":", width-len(indent)) {
			b.WriteString(indent + line + "\n")
		}
		for line := range strings.Lines(a.Command) {
			b.WriteString(indent + "    " + strings.TrimSuffix(line, "\n") + "\n")
		}
	}
	return b.String()
}

// wrap breaks text into lines of at most width bytes where its words allow.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
