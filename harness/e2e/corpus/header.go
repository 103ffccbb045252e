package corpus

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/tools/txtar"
)

// A case's header is the comment of its archive:
//
//	The token is pasted into the program.
//	fails: token.fresh
//	wanted: a request with the second pod's own token
//	found: a request with a token that is not bound to that pod
//	hint: Read the token when the program runs.
//	at: lab-2/call.sh:7:3
//	found on kind: what the learner is told there, where it differs
//	removes: lab-2/call.sh
//
// Further lines of a value are indented.
var field = regexp.MustCompile(`^(fails|removes|wanted|found|hint|at)(?: on ([a-z]+))?:(?: (.*))?$`)

const indent = "    "

// read fills in what a header says.
func (c *Case) read(header string) error {
	type value struct{ key, provider, text string }
	var values []value
	for line := range strings.SplitSeq(strings.TrimSuffix(header, "\n"), "\n") {
		more, indented := strings.CutPrefix(line, indent)
		switch parts := field.FindStringSubmatch(line); {
		case parts != nil:
			values = append(values, value{parts[1], parts[2], parts[3]})
		case len(values) == 0:
			c.Mistake = strings.TrimSpace(c.Mistake + " " + strings.TrimSpace(line))
		case indented || line == "":
			values[len(values)-1].text += "\n" + more
		default:
			return fmt.Errorf("the header's line %q has no key", line)
		}
	}
	if c.Mistake == "" {
		return fmt.Errorf("the header does not say in a sentence what differs from the solution")
	}
	providers := map[string]bool{}
	set := func(m *Message, provider string) {
		for _, v := range values {
			if v.provider == provider {
				switch v.key {
				case "wanted":
					m.Wanted = v.text
				case "found":
					m.Found = v.text
				case "hint":
					m.Hint = v.text
				case "at":
					m.At = v.text
				}
			}
		}
	}
	for _, v := range values {
		switch {
		case v.provider != "":
			providers[v.provider] = true
		case v.key == "fails":
			c.Fails = strings.TrimSpace(v.text)
		case v.key == "removes":
			c.Removes = append(c.Removes, strings.TrimSpace(v.text))
		}
	}
	set(&c.Message, "")
	c.on = map[string]Message{}
	for provider := range providers {
		m := c.Message
		set(&m, provider)
		c.on[provider] = m
	}
	return nil
}

// header is what read reads.
func (c Case) header() string {
	var b strings.Builder
	write := func(key, text string) {
		before := key + ": "
		for line := range strings.SplitSeq(text, "\n") {
			if line == "" {
				before = strings.TrimRight(before, " ")
			}
			b.WriteString(before + line + "\n")
			before = indent
		}
	}
	b.WriteString(c.Mistake + "\n")
	if c.Fails != "" {
		write("fails", c.Fails)
	}
	write("wanted", c.Wanted)
	write("found", c.Found)
	write("hint", c.Hint)
	if c.At != "" {
		write("at", c.At)
	}
	for _, provider := range slices.Sorted(maps.Keys(c.on)) {
		m := c.on[provider]
		for _, f := range []struct{ key, text, base string }{{"wanted", m.Wanted, c.Wanted}, {"found", m.Found, c.Found}, {"hint", m.Hint, c.Hint}, {"at", m.At, c.At}} {
			if f.text != f.base {
				write(f.key+" on "+provider, f.text)
			}
		}
	}
	for _, name := range c.Removes {
		write("removes", name)
	}
	return b.String()
}

// Rewrite sets what a learner is told, by the provider of the cluster that the
// case was judged on, in the case's file below the course's folder. A provider
// has words of its own where it is told something else than the first one, in
// the same run or an earlier one.
func (c Case) Rewrite(folder string, told map[string]Message) error {
	file := filepath.Join(folder, filepath.FromSlash(c.File))
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("rewriting a case: %w", err)
	}
	on, first := maps.Clone(c.on), true
	for _, provider := range slices.Sorted(maps.Keys(told)) {
		if _, own := on[provider]; own || !first {
			on[provider] = told[provider]
			continue
		}
		c.Message, first = told[provider], false
	}
	maps.DeleteFunc(on, func(_ string, m Message) bool { return m == c.Message })
	c.on = on
	files := text[len(txtar.Parse(text).Comment):] // byte for byte
	if err := os.WriteFile(file, append([]byte(c.header()), files...), 0o644); err != nil {
		return fmt.Errorf("rewriting a case: %w", err)
	}
	return nil
}
