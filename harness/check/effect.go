package check

import (
	"context"
	"maps"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/component-helpers/auth/rbac/validation"
)

// Effect is what a learner's objects grant, compared with what is asked for.
type Effect struct {
	Whom   string   `json:"whom"`   // whose access is compared, and where
	More   []string `json:"more"`   // granted and not asked for: "pods: create, delete"
	Fewer  []string `json:"fewer"`  // asked for and not granted
	Others []string `json:"others"` // who else is granted something
}

// maxEffect bounds each list of an Effect, and maxLooked how many rules are
// looked at for it: a few lines of a learner's can stand for millions.
const (
	maxEffect = 60
	maxLooked = 20_000
)

// Compare returns the effect of granted rules where asked ones are asked for.
func Compare(ctx context.Context, whom string, asked, granted []rbacv1.PolicyRule, others []string) (*Effect, error) {
	more, err := beyond(ctx, asked, granted)
	if err != nil {
		return nil, err
	}
	fewer, err := beyond(ctx, granted, asked)
	return &Effect{Whom: whom, More: more, Fewer: fewer, Others: headed(others)}, err
}

// beyond is what rules allow and limit does not, a line for each resource.
func beyond(ctx context.Context, limit, rules []rbacv1.PolicyRule) ([]string, error) {
	verbs, looked := map[string][]string{}, 0
	for rule := range small(rules) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if looked++; looked > maxLooked || len(verbs) > maxEffect {
			break
		}
		if covers, _ := validation.Covers(limit, []rbacv1.PolicyRule{rule}); covers {
			continue
		}
		verb, what, _ := strings.Cut(RuleText(rule), " ")
		if !slices.Contains(verbs[what], verb) {
			verbs[what] = append(verbs[what], verb)
		}
	}
	var lines []string
	for _, what := range slices.Sorted(maps.Keys(verbs)) {
		slices.Sort(verbs[what])
		lines = append(lines, what+": "+strings.Join(verbs[what], ", "))
	}
	return headed(lines), nil
}

// headed are the first lines, and that there are more of them. It is never nil:
// a reader of JSON finds a list.
func headed(lines []string) []string {
	if len(lines) > maxEffect {
		lines = append(lines[:maxEffect:maxEffect], "…")
	}
	return append([]string{}, lines...)
}

// Lines are the effect in words, for a person.
func (e *Effect) Lines() (lines []string) {
	if len(e.More)+len(e.Fewer)+len(e.Others) == 0 {
		return []string{"what is asked for, no more and no less, to " + e.Whom + ", and nothing to anybody else"}
	}
	for _, part := range []struct {
		heading string
		lines   []string
	}{{"more than is asked for, to " + e.Whom, e.More}, {"less than is asked for, to " + e.Whom, e.Fewer}, {"granted to others", e.Others}} {
		if len(part.lines) > 0 {
			lines = append(lines, part.heading+":")
			for _, line := range part.lines {
				lines = append(lines, "  "+line)
			}
		}
	}
	return lines
}
