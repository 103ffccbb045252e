package command

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"rolecall/harness"
	"rolecall/harness/bundle"
	"rolecall/harness/check"
	"rolecall/harness/cluster"
	"rolecall/harness/next"
	"rolecall/harness/progress"
)

// TestMain makes this program the command as well, on a course and clusters
// made up here.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"rolecall": func() {
			os.Exit(interruptible(func(ctx context.Context) int {
				return run(ctx, cooking(), madeUp, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
			}))
		},
	})
}

// TestScripts runs each command as its user does.
func TestScripts(t *testing.T) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("ROLECALL_HOME", filepath.Join(e.WorkDir, "home"))
			e.Setenv("REPOSITORY", root)
			e.Setenv("SHELL", "/bin/sh")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"appears": appears, "fits": fits, "ends": ends},
	})
}

// appears waits for a file.
func appears(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
		<-time.After(10 * time.Millisecond)
	}
	ts.Fatalf("%s did not appear", args[0])
}

// fits holds the last output to a screen: rows, columns.
func fits(ts *testscript.TestScript, _ bool, args []string) {
	rows, _ := strconv.Atoi(args[1])
	columns, _ := strconv.Atoi(args[2])
	lines := strings.Split(strings.TrimSuffix(ts.ReadFile(args[0]), "\n"), "\n")
	if len(lines) > rows {
		ts.Fatalf("%d lines", len(lines))
	}
	for _, line := range lines {
		if len([]rune(line)) > columns {
			ts.Fatalf("a line of %d columns: %s", len([]rune(line)), line)
		}
	}
}

// ends runs a command that must end with a status.
func ends(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	status := 0
	if ended, ok := err.(*exec.ExitError); ok { //nolint:errorlint // as exec returns it
		status, err = ended.ExitCode(), nil
	}
	ts.Check(err)
	if strconv.Itoa(status) != args[0] {
		ts.Fatalf("status %d", status)
	}
}

// cooking is a course of two labs and a story on another subject.
func cooking() harness.Course {
	says := func(file, wanted string) func(context.Context, *check.Env) error {
		return func(ctx context.Context, e *check.Env) error {
			if os.Getenv("HANGS") != "" {
				_ = os.WriteFile(os.Getenv("HANGS"), nil, 0o600)
				<-ctx.Done()
				return ctx.Err()
			}
			text, err := e.Submission.Text(file)
			if err != nil {
				return err
			}
			if strings.TrimSpace(string(text)) != wanted {
				return &check.Failure{Want: wanted, Got: strings.TrimSpace(string(text)), Hint: "Taste it, then run make reset.", Position: check.Position{File: file, Line: 1, Column: 1}}
			}
			return nil
		}
	}
	files := fstest.MapFS{
		"tour.md":                      {Data: []byte("# Tour\n\nTwo screens.\n\n## A stove\n\nHere is one:\n\n<!-- seen -->\n\nIt is hot.\n\n## A smell\n\n<!-- seen -->\n\nRun `make lab-1`.\n")},
		"lab-1-tea/README.md":          {Data: []byte("# Tea\n\nBoil [water](https://example.org/water), see [soup](../lab-2-soup/README.md), `wait`:\n\n```bash\nmake lab-1 RESULTS=out\n```\n")},
		"lab-1-tea/starter/tea.txt":    {Data: []byte("cold\n")},
		"lab-1-tea/solution/tea.txt":   {Data: []byte("hot\n")},
		"dinner/README.md":             {Data: []byte("# Dinner\n")},
		"lab-2-soup/README.md":         {Data: []byte("# Soup\n")},
		"lab-2-soup/starter/soup.txt":  {Data: []byte("bland\n")},
		"lab-2-soup/solution/soup.txt": {Data: []byte("salted\n")},
	}
	if os.Getenv("HINTED") != "" {
		for folder, id := range map[string]string{"lab-1-tea": "tea.hot", "lab-2-soup": "soup.salted", "dinner": "served.all"} {
			files[folder+"/hints.md"] = &fstest.MapFile{Data: []byte("# Hints\n\n## " + id + "\n\nThe idea, and `make lab-1`.\n\n### A similar case\n\nCoffee.\n")}
			text := files[folder+"/README.md"]
			text.Data = append(text.Data, "\n## What it means\n\nHeat rises.\n\nNext: more\n"...)
		}
	}
	return harness.Course{
		Name: "dinner", Title: "cooking dinner",
		Labs: []harness.Lab{
			{Number: 1, Slug: "tea", Title: "Making tea", Files: []check.File{{Name: "tea.txt"}}, Checks: []harness.Check{
				{ID: "tea.hot", Desc: "the tea is hot", Points: 5, Run: says("lab-1/tea.txt", "hot")},
			}},
			{Number: 2, Slug: "soup", Title: "Making soup", Files: []check.File{{Name: "soup.txt"}}, Checks: []harness.Check{
				{ID: "soup.salted", Desc: "the soup is salted", Points: 7, Run: says("lab-2/soup.txt", "salted")},
			}},
		},
		Story: &harness.Lab{Slug: "served", Title: "Serving dinner", Checks: []harness.Check{
			{ID: "served.all", Desc: "all of it is served", Needs: []string{"tea.hot", "soup.salted"}, Run: func(context.Context, *check.Env) error { return nil }},
		}},
		Tour: &harness.Lab{Slug: "look", Title: "A look into the kitchen", Checks: []harness.Check{
			{ID: "look.stove", Desc: "A stove", Run: sees("It has\nfour plates.")},
			{ID: "look.smell", Desc: "A smell", Needs: []string{"look.stove"}, Run: func(ctx context.Context, e *check.Env) error {
				if os.Getenv("SMELLS") != "" {
					return next.Errorf("make reset", "smelling: it burns")
				}
				return sees("\x1b[2JOnions")(ctx, e)
			}},
		}},
		Scene: cluster.Scene{Namespaces: cluster.Namespaces{{Role: "kitchen", Name: "kitchen"}}},
		Files: files,
		Path:  "recipes",
	}
}

// sees is a check of something to look at.
func sees(what string) func(context.Context, *check.Env) error {
	return func(_ context.Context, e *check.Env) error {
		e.Saw(check.Evidence{Object: what})
		return nil
	}
}

// madeUp is a host with two providers of clusters, a kubectl that repeats its
// arguments, and no container engine.
var madeUp = host{
	providers: func(o cluster.Options, kubeconfig, context string) []cluster.Provider {
		return []cluster.Provider{stove{o, "gas"}, stove{o, "coal"}, hotel{kubeconfig, context}}
	},
	kubectl: func(_ context.Context, home string, _ *progress.Display) (string, error) {
		script := "#!/bin/sh\necho \"kubectl $*\"\necho \"kubeconfig ${KUBECONFIG##*/}\"\nexit ${STATUS:-0}\n"
		return home, os.WriteFile(filepath.Join(home, "kubectl"), []byte(script), 0o700)
	},
	engine: func(context.Context, string, *progress.Display) (bundle.Engine, error) {
		return nil, &cluster.NoEngineError{Reason: errors.New("no container engine is installed")}
	},
	carries: func() bool { return os.Getenv("CARRIES") != "nothing" },
}
