package tutor

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/harness"
	"rolecall/harness/check"
	"rolecall/labs"
)

// result is one of the course's first lab with a text wherever a submission, or
// whoever wrote the results, may have put one.
func result(text string) *harness.Result {
	c := labs.Course().Labs[0].Checks[0]
	found := harness.CheckResult{
		ID: c.ID, Desc: text, Outcome: harness.Fail, Needs: []string{text}, Want: text, Got: text, Hint: text, Error: text, Next: text,
		Position: check.Position{File: text, Line: 3, Column: 7},
		Evidence: []check.Evidence{
			{Request: &check.Request{
				User: text, Groups: []string{text}, Verb: text, Resource: text, Namespace: text, Name: text, URI: text, StatusReason: text, Decision: text, Reason: text,
				SourceIP: text, PodUID: text, PodName: text, CredentialID: text, AuditID: text, Time: text,
			}},
			{Output: &check.Output{Stdout: text, Stderr: text}},
			{Object: text},
		},
	}
	other := found
	other.ID = text
	return &harness.Result{
		Submission: text, Notes: []string{text}, Version: text, Cluster: harness.ClusterFacts{Kubernetes: text}, Review: &harness.Review{Reason: text},
		Labs: []harness.LabResult{
			{Slug: "pod", Number: 1, Title: text, Cleanup: text, Checks: []harness.CheckResult{found, other}},
			{Slug: text, Title: text, Checks: []harness.CheckResult{found}},
		},
	}
}

func explained(t testing.TB, r *harness.Result, hints Hints) (*Explanation, string) {
	t.Helper()
	explanation, err := Explain(labs.Course(), r, hints)
	require.NoError(t, err)
	text, err := json.Marshal(explanation)
	require.NoError(t, err)
	return explanation, string(text)
}

func TestExplainTellsWhatTeaches(t *testing.T) {
	c := labs.Course().Labs[0].Checks[0]
	r := &harness.Result{
		Cluster: harness.ClusterFacts{Kubernetes: "v1.37.2"},
		Labs: []harness.LabResult{{Slug: "pod", Checks: []harness.CheckResult{{
			ID: c.ID, Outcome: harness.Fail, Want: "a Pod that the API server understands", Got: `strict decoding error: unknown field "spec.x"`, Hint: "Compare its spelling.",
			Position: check.Position{File: "lab-1/pod.yaml", Line: 6, Column: 3},
			Evidence: []check.Evidence{
				{Request: &check.Request{User: "system:anonymous", Verb: "list", Resource: "services", Namespace: "default", URI: "/api/v1/namespaces/default/services", Code: 403, Decision: "forbid", SourceIP: "10.0.0.1", PodUID: "e1f2", CredentialID: "JTI=e1f2"}},
				{Output: &check.Output{Stdout: "403\n", Stderr: "curl: (22) forbidden\n", ExitStatus: 3}},
			},
		}}}},
	}
	got, _ := explained(t, r, Hints{Reached: map[string][]string{c.ID: {"What is in the file?", "Compare its spelling."}}, Beyond: map[string][]string{c.ID: {"Another case, worked out to its end."}}})
	assert.Equal(t, &Explanation{
		Schema: SchemaVersion, Kubernetes: "v1.37.2", Outcome: harness.Fail,
		Labs: []Lab{{Number: 1, Slug: "pod", Title: labs.Course().Labs[0].Title, Outcome: harness.Fail, Checks: []Check{{
			ID: c.ID, Desc: c.Desc, Outcome: harness.Fail, Needs: []string{}, Wanted: "a Pod that the API server understands", Found: `strict decoding error: unknown field "spec.x"`,
			Position: check.Position{File: "lab-1/pod.yaml", Line: 6, Column: 3}, HintsReached: 2, Hints: []string{"What is in the file?", "Compare its spelling."},
			Evidence: []Evidence{
				{Request: &Request{User: "system:anonymous", Verb: "list", Resource: "services", Namespace: "default", URI: "/api/v1/namespaces/default/services", Code: 403, Decision: "forbid", BoundToPod: true}},
				{Output: &check.Output{Stdout: "403\n", Stderr: "curl: (22) forbidden\n", ExitStatus: 3}},
			},
		}}}},
	}, got)
}

// TestNoSecretIsToldAnywhere puts secrets into every field there is.
func TestNoSecretIsToldAnywhere(t *testing.T) {
	for _, s := range randomSecrets(rand.New(rand.NewSource(3))) {
		for how, encode := range encodings {
			whole := encode(s.text)
			_, told := explained(t, result(whole), Hints{Reached: map[string][]string{"pod.manifest": {whole}}})
			tellsNot(t, s.what+", "+how, s.text, whole, whole, told)
		}
	}
}

// solutions are the course's solution files.
func solutions(t testing.TB) (texts []string) {
	t.Helper()
	course := labs.Course()
	for _, lab := range course.Labs {
		files, err := fs.Glob(course.Files, path.Join(course.Dir(lab), "solution", "*"))
		require.NoError(t, err)
		for _, file := range files {
			text, err := fs.ReadFile(course.Files, file)
			require.NoError(t, err)
			texts = append(texts, string(text))
		}
	}
	require.GreaterOrEqual(t, len(texts), len(course.Labs))
	return texts
}

// tellsNothingOf holds a text to share no gram with what is secret.
func tellsNothingOf(t testing.TB, s *secrets, told, printed string) {
	t.Helper()
	for part := range strings.SplitSeq(told, Hidden) {
		letters, _ := condense(part)
		for ; len(letters) >= len(gram{}); letters = letters[1:] {
			if g := gram(letters); s.grams[g] {
				assert.Fail(t, "a solution is told", "%q in %.400q\nprinted as %.300q", string(g[:]), told, printed)
				return
			}
		}
	}
}

// printings are ways to print a file.
var printings = map[string]func(string) string{
	"cat": func(s string) string { return s },
	"cat -n": func(s string) string {
		var b strings.Builder
		n := 0
		for line := range strings.Lines(s) {
			n++
			fmt.Fprintf(&b, "%6d\t%s", n, line)
		}
		return b.String()
	},
	"quoted":       func(s string) string { return fmt.Sprintf("%q", s) },
	"in JSON":      func(s string) string { text, _ := json.Marshal(map[string]string{"file": s}); return string(text) },
	"as a reply":   func(s string) string { return "> " + strings.ReplaceAll(s, "\n", "\n> ") },
	"in capitals":  strings.ToUpper,
	"from Windows": func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") },
	"on one line":  func(s string) string { return strings.Join(strings.Fields(s), " ") },
	"word by word": func(s string) string { return strings.Join(strings.Fields(s), "\n") },
	"spaced":       func(s string) string { return each(s, func(c byte) string { return string(rune(c)) + " " }) },
	"closed up":    func(s string) string { return strings.Join(strings.Fields(s), "") },
	"lines shuffled": func(s string) string {
		lines := strings.Split(s, "\n")
		slices.Reverse(lines)
		return strings.Join(lines, "\n")
	},
	"in colours": func(s string) string { return strings.ReplaceAll(s, " ", "\x1b[0m \x1b[31m") },
	"wide letters": func(s string) string {
		return each(s, func(c byte) string {
			if unicode.IsLetter(rune(c)) {
				return string(rune(c) - '!' + '！')
			}
			return string(rune(c))
		})
	},
	"its last part": func(s string) string { return s[len(s)/2:] },
	"one line":      func(s string) string { lines := strings.Split(strings.TrimSpace(s), "\n"); return lines[len(lines)/2] },
	"in a sentence": func(s string) string { return "my program is as follows: " + s + " and it works" },
	"in tags":       func(s string) string { return "<b>" + strings.ReplaceAll(s, " ", "</b> <b>") + "</b>" },
}

// TestNothingOfTheSolutionIsTold prints the solutions in many ways, everywhere.
func TestNothingOfTheSolutionIsTold(t *testing.T) {
	s, err := newSecrets(labs.Course(), nil)
	require.NoError(t, err)
	require.Greater(t, len(s.grams), 1000, "solutions have something that the texts do not")
	for _, solution := range solutions(t) {
		for how, print := range printings {
			printed := print(solution)
			tellsNothingOf(t, s, s.hide(printed), how+": "+printed)
			_, told := explained(t, result(printed), Hints{})
			var explanation any
			require.NoError(t, json.Unmarshal([]byte(told), &explanation))
			walk(explanation, func(text string) { tellsNothingOf(t, s, text, how+": "+printed) })
		}
	}
}

// walk calls look with every text in what was read as JSON.
func walk(value any, look func(string)) {
	switch value := value.(type) {
	case string:
		look(value)
	case []any:
		for _, v := range value {
			walk(v, look)
		}
	case map[string]any:
		for _, v := range value {
			walk(v, look)
		}
	}
}

// TestNoHintIsToldEarly: what the levels say that are still to come is not in it,
// whatever the submission prints.
func TestNoHintIsToldEarly(t *testing.T) {
	const early = "Two processes share one container: start the second one in the background and wait for both."
	hints := Hints{Reached: map[string][]string{"pod.manifest": {"What keeps a container alive?"}}, Beyond: map[string][]string{"pod.manifest": {early}}}
	s, err := newSecrets(labs.Course(), hints.Beyond)
	require.NoError(t, err)
	for how, print := range printings {
		_, told := explained(t, result(print(early)), hints)
		var explanation any
		require.NoError(t, json.Unmarshal([]byte(told), &explanation))
		walk(explanation, func(text string) { tellsNothingOf(t, s, text, how) })
		assert.Contains(t, told, "What keeps a container alive?")
	}
}

// TestOnlyWhatIsNamedIsTold: fields that teach nothing are left out.
func TestOnlyWhatIsNamedIsTold(t *testing.T) {
	_, told := explained(t, result("zebra"), Hints{})
	var got map[string]any
	require.NoError(t, json.Unmarshal([]byte(told), &got))
	assert.Len(t, got["labs"], 1, "another slug is no lab")
	assert.Len(t, got["labs"].([]any)[0].(map[string]any)["checks"], 1, "another id is no check")
	for _, name := range []string{"submission", "notes", "rolecall", "review", "cleanup", "sourceIP", "podUID", "podName", "credentialID", "auditID", "time", "hint", "points"} {
		assert.NotContains(t, told, `"`+name+`"`)
	}
}

// TestAnExplanationIsBounded whatever the results hold.
func TestAnExplanationIsBounded(t *testing.T) {
	r := result(strings.Repeat("word ", 200_000))
	c := &r.Labs[0].Checks[0]
	for range 10_000 {
		c.Evidence = append(c.Evidence, c.Evidence[0])
	}
	for range 1000 {
		r.Labs[0].Checks, r.Labs = append(r.Labs[0].Checks, r.Labs[0].Checks[0]), append(r.Labs, r.Labs[0])
	}
	explanation, told := explained(t, r, Hints{})
	assert.Len(t, explanation.Labs, 1)
	assert.Len(t, explanation.Labs[0].Checks, 1)
	assert.Len(t, explanation.Labs[0].Checks[0].Evidence, maxEvidence)
	assert.Less(t, len(told), 1<<20)
}

func TestTheSameResultIsExplainedAlike(t *testing.T) {
	first, _ := explained(t, result("a word, a token and x9Yz8Qr"), Hints{})
	for range 5 {
		again, _ := explained(t, result("a word, a token and x9Yz8Qr"), Hints{})
		assert.True(t, reflect.DeepEqual(first, again))
	}
}

// FuzzHide: whatever the text, hiding ends, is bounded, and is done once.
func FuzzHide(f *testing.F) {
	s, err := newSecrets(labs.Course(), nil)
	require.NoError(f, err)
	secret := randomSecrets(rand.New(rand.NewSource(4)))[0].text
	for _, text := range append(solutions(f), "", "a b", "\xff", "é\u0301\u200b", strings.Repeat("a ", 3000), "[hidden]", secret) {
		f.Add(text, 0)
		f.Add(text, 7)
	}
	f.Fuzz(func(t *testing.T, text string, at int) {
		if at = min(max(at, 0), len(text)); at%2 == 1 {
			text = text[:at] + secret + text[at:]
		}
		told := s.hide(text)
		assert.Less(t, len(told), maxText+maxText/2*len(Hidden))
		tellsNothingOf(t, s, told, text)
		if plain, whole := bare(told), bare(secret); at%2 == 1 {
			for i := 0; i+2*run <= len(whole); i++ {
				if strings.Contains(plain, whole[i:i+2*run]) && !strings.Contains(bare(text[:at])+"|"+bare(text[at+len(secret):]), whole[i:i+2*run]) {
					t.Fatalf("a secret is told: %q", told)
				}
			}
		}
	})
}
