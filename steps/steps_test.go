package steps

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/labs"
)

// contract are the check ids that courses grade against. It only grows.
var contract = map[string][]string{
	"pod":         {"manifest", "running", "identity", "token-mounted", "tools", "unauthenticated"},
	"token":       {"runs", "authenticated", "fresh", "ca-verified", "namespace"},
	"forbidden":   {"observed", "reported", "allowed", "unauthorized", "unverified", "answer"},
	"rolebinding": {"manifest", "namespaced", "allows-view", "no-more", "only-default"},
	"success":     {"allowed", "complete", "live", "refused"},
	"walkthrough": {"cause"},
}

func TestStepsKeepTheContract(t *testing.T) {
	for _, step := range All() {
		var want, have []string
		points := 0
		before := map[string]bool{}
		for _, name := range contract[step.Slug] {
			want = append(want, step.Slug+"."+name)
		}
		for _, c := range step.Checks {
			have = append(have, c.ID)
			points += c.Points
			for _, need := range c.Needs {
				assert.True(t, before[need] || step.Slug == "walkthrough", "%s needs %s, which runs after it", c.ID, need)
			}
			before[c.ID] = true
		}
		assert.ElementsMatch(t, want, have, step.Slug)
		if step.Lab > 0 {
			assert.Equal(t, 20, points, "points of %s", step.Slug)
		}
	}
	assert.Len(t, All(), len(contract))
}

func TestStepsAndLabsAgree(t *testing.T) {
	for _, number := range labs.Numbers {
		step, found := Lab(number)
		require.True(t, found)
		assert.True(t, strings.HasSuffix(labs.Folder(number), "-"+step.Slug), "%s holds %s", labs.Folder(number), step.Slug)
	}
}

func TestEveryCheckHasAHintInTheText(t *testing.T) {
	for _, step := range All() {
		file := "../labs/walkthrough/README.md"
		if step.Lab > 0 {
			file = "../" + labs.Folder(step.Lab) + "/README.md"
		}
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, c := range step.Checks {
			assert.True(t, strings.Contains(string(text), "`"+c.ID+"`"), "%s says nothing of %s", file, c.ID)
		}
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		assert.Regexp(t, `^Next: \[.*\]\(.*\)$`, lines[len(lines)-1], file)
		assert.False(t, strings.Contains(string(text), "<!-- real output"), "%s lacks the output of a real run", file)
	}
}

func TestStartersHaveSomethingToDo(t *testing.T) {
	for _, number := range labs.Numbers {
		files, err := labs.Starter(number, t.TempDir())
		require.NoError(t, err)
		todo := false
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			todo = todo || strings.Contains(string(text), "TODO")
		}
		assert.True(t, todo, "lab %d", number)
	}
}

func TestCasesNameTheirMistake(t *testing.T) {
	ids := map[string]bool{}
	for _, step := range All() {
		for _, c := range step.Checks {
			ids[c.ID] = true
		}
	}
	caught := map[string]bool{}
	wrong, right := 0, 0
	for _, number := range append(labs.Numbers, 0) {
		cases, err := labs.Cases(number, "wrong")
		require.NoError(t, err)
		for _, c := range cases {
			assert.True(t, ids[c.Fails], "%s names %s, which is no check", c.Name, c.Fails)
			caught[c.Fails] = true
			require.NoError(t, c.Write(t.TempDir(), "token"), c.Name)
		}
		wrong += len(cases)
		cases, err = labs.Cases(number, "right")
		require.NoError(t, err)
		for _, c := range cases {
			require.NoError(t, c.Write(t.TempDir(), "token"), c.Name)
		}
		right += len(cases)
	}
	assert.GreaterOrEqual(t, wrong, 60)
	assert.GreaterOrEqual(t, right, 20)
	for id := range ids {
		assert.True(t, caught[id], "no wrong submission is for %s", id)
	}
}
