package report

import (
	"fmt"
	"strings"

	"rolecall/harness"
	"rolecall/harness/check"
)

// annotations are GitHub Actions workflow commands, one a line: an error for
// the learner's failure, a warning for an error of ours, a notice for what was
// skipped and for what else is to be said. A submission that was not graded is
// one error. A workflow prints the file as it is. Every line begins with a
// command of ours, so no text inside can be one.
func annotations(r *harness.Result) string {
	if r.Review != nil {
		return fmt.Sprintf("::error title=%s::%s\n", r.Outcome, message(strings.Join(Asides(r), "\n")))
	}
	var b strings.Builder
	for _, lab := range r.Labs {
		for _, c := range lab.Checks {
			if level := map[harness.Outcome]string{harness.Fail: "error", harness.Error: "warning", harness.Skipped: "notice"}[c.Outcome]; level != "" {
				fmt.Fprintf(&b, "::%s title=%s%s::%s\n", level, property(c.ID), place(c.Position), message(Explain(c)))
			}
		}
	}
	for _, line := range Asides(r) {
		fmt.Fprintf(&b, "::notice title=rolecall::%s\n", message(line))
	}
	return b.String()
}

// place is a position as properties of a command; its file is one of the
// repository where that holds the labs' folders at its top.
func place(at check.Position) (properties string) {
	if at.File != "" {
		properties += ",file=" + property(at.File)
	}
	if at.Line > 0 {
		properties += fmt.Sprintf(",line=%d", at.Line)
	}
	if at.Column > 0 {
		properties += fmt.Sprintf(",col=%d", at.Column)
	}
	return properties
}

// message and property escape a text as the runner's own toolkit does.
func message(text string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(text)
}

func property(text string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(message(text))
}
