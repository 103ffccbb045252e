package report

import (
	"fmt"
	"strings"

	"rolecall/harness"
)

// Annotations are GitHub Actions workflow commands, one a line: an error for
// the learner's failure, a warning for an error of ours, a notice for what was
// skipped. A workflow prints the file as it is. Every line begins with a
// command of ours, so no text inside can be one.
func Annotations(r *harness.Result) string {
	var b strings.Builder
	for _, step := range r.Steps {
		for _, c := range step.Checks {
			if level := map[harness.Outcome]string{harness.Fail: "error", harness.Error: "warning", harness.Skipped: "notice"}[c.Outcome]; level != "" {
				fmt.Fprintf(&b, "::%s title=%s::%s\n", level, property(c.ID), message(Explain(c)))
			}
		}
	}
	return b.String()
}

// message and property escape a text as the runner's own toolkit does.
func message(text string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(text)
}

func property(text string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(message(text))
}
