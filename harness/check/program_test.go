package check

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEndedFailsWhatHadToBeEnded(t *testing.T) {
	program := &Program{Name: "lab-2/call.sh"}
	for name, run := range map[string]Run{
		"time":   {TimedOut: true},
		"output": {OutputTooLong: true},
		"memory": {OutOfMemory: true},
		"shell":  {ShellKilled: true},
		"left":   {ExitStatus: -1, LeftProcesses: true},
	} {
		run.Program = program
		_, learners := AsFailure(run.Ended())
		assert.True(t, learners, name)
		e := &Env{}
		e.ran(&run)
		assert.Contains(t, e.Odd(), "did not end by itself", name)
	}
	own := &Run{Program: program, ExitStatus: 3}
	assert.NoError(t, own.Ended(), "any exit status of its own is an end")
	e := &Env{}
	e.ran(own)
	assert.Empty(t, e.Odd())
}

func TestDescribeIsSafeToShow(t *testing.T) {
	run := Run{ExitStatus: 1, Stdout: "\x1b[2J4\n", Stderr: "why"}
	assert.Equal(t, `exit status 1, first line "\\x1b[2J4", on stderr "why"`, run.Describe())
	assert.Equal(t, "exit status 0, nothing on the first line of stdout", (&Run{}).Describe())
	run = Run{ExitStatus: 1, Stderr: "2026/11/25 15:09:12 Unauthorized\nmore\n"}
	assert.Equal(t, `exit status 1, nothing on the first line of stdout, on stderr "Unauthorized"`, run.Describe())
}

func TestStderrNamesTheLearnersFile(t *testing.T) {
	program := &Program{Name: "lab-2/call.sh"}
	assert.Equal(t, "call.sh: line 3: jq: not found\n", program.renamed("/tmp/.program: line 3: jq: not found\n"))
	assert.Equal(t, "call.sh: line 3: jq: not found\n", program.renamed("/dev/shm/.program: line 3: jq: not found\n"))
}

func TestTroubleSaysItself(t *testing.T) {
	for name, test := range map[string]struct{ script, stderr, what string }{
		"nothing":           {"exit 3\n", "", ""},
		"a message":         {"echo no services found >&2\n", "no services found\n", ""},
		"a missing command": {"kubectl get services\n", "call.sh: line 1: kubectl: not found\n", "the image has no kubectl"},
		"in a pipe":         {"curl -s x | jq .\n", "curl: (6) Could not resolve host\ncall.sh: line 1: jq: not found\n", "the image has no jq"},
		"by its path":       {"env /usr/bin/python3\n", "env: can't execute '/usr/bin/python3': No such file or directory\n", "the image has no python3"},
		"a bash command":    {"declare -A m\n", "call.sh: line 1: declare: not found\n", "the image's sh is not bash (declare)"},
		"arrays":            {"#!/bin/bash\n\nhosts=(a b)\n", "call.sh: line 3: syntax error: unexpected \"(\"\n", "call.sh: line 3: the image's sh is not bash (arrays)"},
		"an open quote":     {"echo a\necho \"b\necho c\n", "call.sh: line 4: syntax error: unterminated quoted string\n", "call.sh: line 2: reached EOF without closing quote `\"`"},
		"bash, and a quote": {"function f { :; }\necho 'b\n", "call.sh: line 3: syntax error: unterminated quoted string\n", "call.sh: line 2: reached EOF without closing quote `'`"},
		"only sh knows":     {"echo a\n", "call.sh: line 1: syntax error: bad substitution\n", "call.sh: line 1: syntax error: bad substitution"},
		"too long to parse": {strings.Repeat("((", maxParsed), "call.sh: syntax error: unexpected end of file\n", "call.sh: syntax error: unexpected end of file"},
		"deep":              {strings.Repeat("(", maxParsed), "call.sh: line 1: syntax error: unexpected end of file\n", "call.sh: line 1: "},
	} {
		t.Run(name, func(t *testing.T) {
			run := Run{Program: &Program{Name: "lab-2/call.sh", bytes: []byte(test.script), script: true}, Stderr: test.stderr}
			trouble := run.Trouble()
			if test.what == "" {
				assert.Nil(t, trouble)
				return
			}
			require.NotNil(t, trouble)
			assert.True(t, strings.HasPrefix(trouble.What, test.what), trouble.What)
			assert.NotEmpty(t, trouble.Hint)
		})
	}
	run := Run{Program: &Program{Name: "lab-2/call.go"}, Stderr: `2026/01/01 exec: "kubectl": executable file not found in $PATH`}
	assert.Equal(t, "the image has no kubectl", run.Trouble().What)
}

func TestQuotesToken(t *testing.T) {
	for line, want := range map[string]bool{
		`curl -H 'Authorization: Bearer $(cat token)' x`: true,
		`curl -H 'Authorization: Bearer $TOKEN' x`:       true,
		`curl -H 'Authorization: Bearer ${TOKEN}' x`:     true,
		`curl -H "Authorization: Bearer $(cat token)" x`: false,
		`curl -H 'Authorization: Bearer '$(cat token) x`: false,
		`printf 'Authorization: Bearer %s\n' "$(cat t)"`: false,
	} {
		assert.Equal(t, want, (&Program{script: true, bytes: []byte(line)}).QuotesToken(), line)
	}
}

func TestProgramIsFoundByItsNames(t *testing.T) {
	for name, test := range map[string]struct {
		files     map[string]string
		got, hint string
	}{
		"both":         {map[string]string{"lab-2/call.sh": "exit", "lab-2/call.go": "package main"}, "both", "Keep the one"},
		"neither":      {map[string]string{"lab-2/README.md": "x"}, "neither", "Write one of the two"},
		"another name": {map[string]string{"lab-2/main.go": "package main"}, "lab-2/main.go", "Call it lab-2/call.go."},
		"two Go files": {map[string]string{"lab-2/call.go": "package main\n\nfunc main() { path() }\n", "lab-2/helper.go": "package main\n\nfunc path() {}\n"},
			"undefined: path", "helper.go is not compiled: put everything into call.go."},
	} {
		t.Run(name, func(t *testing.T) {
			e := &Env{Submission: lay(t, test.files), Compiler: newCompiler(t, "amd64")}
			_, err := e.Program(t.Context(), "lab-2", "call")
			failure, learners := AsFailure(err)
			require.True(t, learners, "%v", err)
			assert.Contains(t, failure.Got, test.got)
			assert.Contains(t, failure.Hint, test.hint)
		})
	}
	e := &Env{Submission: lay(t, map[string]string{"lab-2/call.sh": "#!/bin/sh\r\nexit 3\r\n"})}
	program, err := e.Program(t.Context(), "lab-2", "call")
	require.NoError(t, err)
	assert.Equal(t, "#!/bin/sh\nexit 3\n", string(program.bytes))
}
