package check

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAnswers(t *testing.T) {
	right := "user: system:serviceaccount:default:default\nverb: list\nresource: services\n"
	for name, test := range map[string]struct{ text, want, got, hint string }{
		"right":        {text: right},
		"quoted":       {text: "user: 'system:serviceaccount:default:default'\nverb: \"list\"\nresource: services \n"},
		"JSON":         {text: `{"user": "system:serviceaccount:default:default", "verb": "list", "resource": "services"}`},
		"another name": {text: "user: bob\nverb: list\nresource: services\n"},
		"one":          {strings.Replace(right, "list", "get", 1), "verb as asked", `verb: "get"`, "not the method"},
		"all":          {"user: a\nverb: b\nresource: c\n", "user, verb and resource as asked", `user: "a"; verb: "b"; resource: "c"`, "one by one"},
		"capitals":     {strings.Replace(right, "services", "Services", 1), "resource as asked", `resource: "Services" (capitals count)`, "with the capitals"},
		"capital key":  {strings.Replace(right, "user", "User", 1), "user as asked", `the key "User" for user`, "Capitals count: write user."},
		"missing":      {strings.Replace(right, "verb: list\n", "", 1), "verb as asked", "no key verb", "Add the line verb:"},
		"no value":     {strings.Replace(right, "list", "", 1), "verb as asked", "verb without a value", "after the colon"},
		"a number":     {strings.Replace(right, "list", "403", 1), "verb as asked", `verb: "403"`, "not the method"},
		"nested":       {strings.Replace(right, "list", "{list: }", 1), "verb as asked", "which is not a string", "not the method"},
		"extra":        {right + "b: 1\na: 2\n", "the keys user, verb and resource and no other", `also "a" and "b"`, "Remove"},
		"a list":       {"- user: bob\n- verb: list\n", "the keys", "a list", "Write key: value without dashes."},
		"a sentence":   {"the user is bob\n", "the keys", "text without keys", "a space after the colon"},
		"documents":    {right + "---\n" + right, "the keys", "2 documents", "no line of ---"},
		"comments":     {"# nothing yet\n", "the keys", "0 documents", "for each key"},
		"not YAML":     {"user: [\n", "YAML in lab-3/answer.yaml", "invalid YAML", ""},
		"a bomb":       {"a: &a \"" + strings.Repeat("x", 300_000) + "\"\nb: [" + strings.Repeat("*a, ", 2000) + "]\n", "YAML", "aliases", "anchors"},
	} {
		t.Run(name, func(t *testing.T) {
			e := &Env{Submission: lay(t, map[string]string{"lab-3/answer.yaml": test.text})}
			err := e.Answers("lab-3/answer.yaml", "as asked",
				Answer{Key: "user", Right: []string{"system:serviceaccount:default:default", "bob"}, Hint: "in full"},
				Answer{Key: "verb", Right: []string{"list"}, Hint: "not the method"},
				Answer{Key: "resource", Right: []string{"services"}, Hint: "plural"})
			if test.got == "" {
				require.NoError(t, err)
				return
			}
			failure, learners := AsFailure(err)
			require.True(t, learners, "%v", err)
			assert.Contains(t, failure.Want, test.want)
			assert.Contains(t, failure.Got, test.got)
			assert.Contains(t, failure.Hint, test.hint)
		})
	}
}

func TestAnswersThatAreNumbers(t *testing.T) {
	for text, got := range map[string]string{
		"seconds: 31536000\n":     "",
		"seconds: \"31536000\"\n": "",
		"seconds: 3600\n":         `seconds: "3600"`,
		"seconds: never\n":        `seconds: "never"`,
		"seconds: 1.5\n":          "seconds: 1.5, which is not a string",
		"seconds: true\n":         "seconds: true, which is not a string",
	} {
		e := &Env{Submission: lay(t, map[string]string{"lab-3/answer.yaml": text})}
		err := e.Answers("lab-3/answer.yaml", "as asked", Answer{Key: "seconds", Right: []string{"31536000"}, Hint: "count them"})
		if got == "" {
			assert.NoError(t, err, text)
			continue
		}
		failure, learners := AsFailure(err)
		require.True(t, learners, "%s: %v", text, err)
		assert.Equal(t, got, failure.Got)
	}
}
