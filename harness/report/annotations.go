package report

import (
	"fmt"
	"strings"

	"rolecall/harness"
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
				fmt.Fprintf(&b, "::%s title=%s::%s\n", level, property(c.ID), message(Explain(c)))
			}
		}
	}
	for _, line := range Asides(r) {
		fmt.Fprintf(&b, "::notice title=rolecall::%s\n", message(line))
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
