package report

import (
	"cmp"
	"fmt"
	"strings"

	"rolecall/harness"
)

// Problems are a run's failures as compilers write errors, a line each, for
// editors: the place in the learner's folder, then what was found there.
//
//	problems:
//	work/lab-N/tea.yaml:7:3: error: tea.hot: unknown field "sugr" (wanted a cup of …)
//	1 problem
//
// Where a failure's line or column is unknown it is 1; a failure that is about
// no file has the program's name for one. The first line and the last one are
// for editors that watch a program which goes on checking.
func Problems(r *harness.Result, submission string) string {
	lines := []string{"problems:"}
	for _, lab := range r.Labs {
		for _, c := range lab.Checks {
			if c.Outcome != harness.Fail {
				continue
			}
			place := "rolecall"
			if at := placed(c.Position, submission); c.Position.File != "" {
				place = fmt.Sprintf("%s:%d:%d", at.File, cmp.Or(at.Line, 1), cmp.Or(at.Column, 1))
			}
			lines = append(lines, OneLine(fmt.Sprintf("%s: error: %s: %s (wanted %s)", place, c.ID, c.Got, c.Want), maxLine))
		}
	}
	sum := fmt.Sprintf("%d problems", len(lines)-1)
	if len(lines) == 2 {
		sum = "1 problem"
	}
	return strings.Join(append(lines, sum), "\n") + "\n"
}
