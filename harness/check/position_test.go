package check

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clienttesting "k8s.io/client-go/testing"
)

func TestPositionIsAsCompilersWriteIt(t *testing.T) {
	for want, p := range map[string]Position{
		"":            {},
		"a.yaml":      {File: "a.yaml"},
		"a.yaml:3":    {File: "a.yaml", Line: 3},
		"a.yaml:3:14": {File: "a.yaml", Line: 3, Column: 14},
	} {
		assert.Equal(t, want, p.String())
	}
	assert.Equal(t, 3, Position{Line: 2, Column: 4}.characters([]byte("a\nö b\n")).Column, "a column in bytes")
	assert.Equal(t, 9, Position{Line: 2, Column: 9}.characters([]byte("a\nb\n")).Column, "beyond the line")
	assert.Equal(t, 9, Position{Line: 7, Column: 9}.characters([]byte("a\n")).Column, "beyond the text")
}

// mark stands in a test's text where a failure must be said to be.
const mark = "§"

// marked is a text without its mark, and where that was.
func marked(t *testing.T, text string) (string, Position) {
	t.Helper()
	before, after, found := strings.Cut(text, mark)
	if !found {
		return text, Position{File: file}
	}
	line := before[strings.LastIndexByte(before, '\n')+1:]
	return before + after, Position{file, strings.Count(before, "\n") + 1, len([]rune(line)) + 1}
}

// asWritten are a text as different editors save it: none changes a position.
func asWritten(text string) map[string]string {
	return map[string]string{
		"as it is":            text,
		"Windows line ends":   strings.ReplaceAll(text, "\n", "\r\n"),
		"a byte-order mark":   "\ufeff" + text,
		"both":                "\ufeff" + strings.ReplaceAll(text, "\n", "\r\n"),
		"no newline at last":  strings.TrimSuffix(text, "\n"),
		"blank lines at last": text + "\n\n",
	}
}

// TestPositionOfWhatIsWrong: whatever is wrong with a manifest before a server
// has seen it, the failure says where.
func TestPositionOfWhatIsWrong(t *testing.T) {
	one := anything
	one.One = true
	const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"
	for name, text := range map[string]string{
		"a tab":                      "apiVersion: v1\n§\tkind: Pod\n",
		"a tab after blanks":         "apiVersion: v1\nmetadata:\n  §\tname: a\n",
		"a colon in a value":         "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a§: b\n",
		"no colon":                   "apiVersion: v1\n§kind\nmetadata:\n  name: a\n",
		"an open quote":              "apiVersion: v1\nkind: §\"Pod\nmetadata:\n  name: a\n",
		"an at sign":                 "apiVersion: v1\nkind: §@pod\n",
		"an entry out of line":       "apiVersion: v1\nspec:\n  containers:\n    - name: a\n   §- name: b\n",
		"a bracket not closed":       "apiVersion: v1\nkind: Pod\nargs: §[a, b\n",
		"a fence":                    "§```yaml\n" + pod + "```\n",
		"in the second document":     pod + "---\nkind: Pod\nmetadata:\n  name: a§: b\n",
		"after documents of comment": "# one\n---\n# two\n---\nkind: a§: b\n",
		"duplicate key":              "apiVersion: v1\nkind: Pod\nspec:\n  a: 1\n  b: 2\n  §a: 3\n",
		"duplicate in a list":        "apiVersion: v1\nkind: Pod\nspec:\n  - {a: 1, b: 2}\n  - {a: 1, §a: 2}\n",
		"duplicate later on":         pod + "---\nkind: Pod\nkin: a\n§kind: Pod\n",
		"duplicate behind umlauts":   "ä: {ö: 1, §ö: 2}\n",
		"JSON: a comma missing":      "{\n  \"apiVersion\": \"v1\"\n  §\"kind\": \"Pod\"\n}\n",
		"JSON: a comma too many":     "{\n  \"apiVersion\": \"v1\",\n  §,\n  \"kind\": \"Pod\"\n}\n",
		"JSON: duplicate key":        "{\n\t\"kind\": \"Pod\",\n\t§\"kind\": \"Pod\"\n}\n",
		"JSON: wrong kind":           "{\n\t\"apiVersion\": \"v1\",\n\t\"kind\": §\"Node\"\n}\n",
		"JSON: wrong namespace":      `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": §"kube-system"}}`,
		"hidden behind ...":          pod + "§...\n" + pod,
		"hidden behind ---":          pod + "§--- {apiVersion: v1, kind: Pod, metadata: {name: b}}\n",
		"two objects":                pod + "---\n# another\n§" + pod,
		"two in a List":              "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n- §apiVersion: v1\n  kind: Pod\n",
		"wrong kind":                 "apiVersion: v1\nkind: §pod\n",
		"wrong kind in a List":       "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: §Node\n",
		"wrong version":              "apiVersion: §apps/v1\nkind: Pod\n",
		"kind with a capital":        "apiVersion: v1\n§Kind: Pod\n",
		"no kind":                    "# a pod\n§apiVersion: v1\nmetadata: {}\n",
		"a list":                     "# pods\n§- a\n- b\n",
		"a word":                     "\n§pod\n",
		"a List without items":       "§apiVersion: v1\nkind: List\n",
		"a word in a List":           "apiVersion: v1\nkind: List\nitems: [§a]\n",
		"no metadata":                "§apiVersion: v1\nkind: Pod\n",
		"no name":                    "apiVersion: v1\nkind: Pod\n§metadata:\n  labels: {a: b}\n",
		"name at the top":            "apiVersion: v1\nkind: Pod\nname: §a\n",
		"name is a number":           "apiVersion: v1\nkind: Pod\nmetadata:\n  name: §3\n",
		"metadata a word":            "apiVersion: v1\nkind: Pod\nmetadata: §a\n",
		"wrong namespace":            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  namespace: §kube-system\n",
		"wrong namespace, in quotes": "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  namespace: §'kube-system'\n",
		"wrong namespace, by alias":  "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  labels: {n: &n kube-system}\n  namespace: §*n\n",
		"wrong namespace, merged":    "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  <<: {namespace: §kube-system}\n",
		"finalizers":                 "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  §finalizers:\n  - x/y\n",
		"nothing":                    "# nothing\n",
	} {
		text, at := marked(t, text)
		for how, text := range asWritten(text) {
			t.Run(name+", "+how, func(t *testing.T) {
				_, _, err := read(t, one, text)
				failure, learners := AsFailure(err)
				require.True(t, learners, "%v", err)
				assert.Equal(t, at, failure.Position, failure.Got)
			})
		}
	}
}

func TestPositionOfASecondOfOneName(t *testing.T) {
	text, at := marked(t, "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: §a}\n")
	_, _, err := read(t, anything, text)
	failure, _ := AsFailure(err)
	require.NotNil(t, failure)
	assert.Equal(t, at, failure.Position)
}

// TestSearchingIsBounded: where the search for a line would take too long, the
// failure has none; a text of one line, and what the parser knows, need no search.
func TestSearchingIsBounded(t *testing.T) {
	for name, text := range map[string]string{
		"long":   strings.Repeat("a: b\n", 100) + "c: @\n" + strings.Repeat("# "+strings.Repeat("x", 500)+"\n", 1900),
		"narrow": strings.Repeat("-\n", 400_000) + "@\n",
		"wide":   "a: [" + strings.Repeat("1, ", 300_000) + "@]\n",
		"deep":   strings.Repeat("{a: ", 20_000),
		"many":   strings.Repeat("# nothing\n---\n", 60_000) + "a: b: c\n",
	} {
		_, _, err := read(t, anything, text)
		failure, learners := AsFailure(err)
		require.True(t, learners, "%v", err)
		known := map[string]Position{"wide": {Line: 1}, "deep": {Line: 1}, "many": {Line: 120_001, Column: 5}}
		assert.Equal(t, known[name].in("lab-1/pod.yaml"), failure.Position, name)
	}
}

// TestPositionOfWhatTheServerRefuses: an API server names a field, and not where
// it is.
func TestPositionOfWhatTheServerRefuses(t *testing.T) {
	invalid := func(causes ...string) error {
		err := apierrors.NewInvalid(podKind.GroupKind(), "a", nil)
		for _, field := range causes {
			err.ErrStatus.Details.Causes = append(err.ErrStatus.Details.Causes, metav1.StatusCause{Type: metav1.CauseTypeFieldValueInvalid, Field: field})
		}
		return err
	}
	unknown := func(field string) error {
		return apierrors.NewBadRequest(`Pod in version "v1" cannot be handled as a Pod: strict decoding error: unknown field "` + field + `"`)
	}
	unfit := func(what, path, goType string) error {
		return apierrors.NewBadRequest(`Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal ` + what + ` into Go struct field ` + path + ` of type ` + goType)
	}
	insecure := func(what string) error {
		return apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "a", errors.New(`violates PodSecurity "baseline:latest": `+what))
	}
	const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"
	for name, test := range map[string]struct {
		err  error
		text string
	}{
		"unknown":               {unknown("spec.containers[0].imag"), pod + "spec:\n  containers:\n  - name: a\n    §imag: b\n"},
		"unknown, second":       {unknown("spec.containers[1].imag"), pod + "spec:\n  containers:\n  - name: a\n    image: b\n  - name: b\n    §imag: b\n"},
		"unknown, a map":        {unknown("spec.x"), pod + "spec:\n  §x:\n    y: z\n"},
		"unknown, at the top":   {unknown("specs"), pod + "§specs: {}\n"},
		"unknown, a dot":        {unknown("spec.a.b"), pod + "spec:\n  a: {}\n  §a.b: c\n"},
		"unknown in JSON":       {unknown("spec.x"), "{\n  \"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {\"name\": \"a\"},\n  \"spec\": {§\"x\": 1}}\n"},
		"invalid":               {invalid("spec.containers[0].image"), pod + "spec:\n  containers:\n  - name: a\n    image: §' '\n"},
		"the first of two":      {invalid("spec.b", "spec.a"), pod + "spec:\n  a: 1\n  b: §2\n"},
		"required":              {invalid("spec.containers[0].name"), pod + "spec:\n  containers:\n  - §image: b\n"},
		"required, the list":    {invalid("spec.containers"), pod + "§spec:\n  hostNetwork: true\n"},
		"required, the spec":    {invalid("spec.containers"), "§" + pod},
		"by its key":            {invalid("spec.containers[0].resources.limits[cpu]"), pod + "spec:\n  containers:\n  - resources:\n      limits:\n        cpu: §-1\n"},
		"a label":               {invalid("metadata.labels"), "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  §labels:\n    a.b/c: ' '\n"},
		"an annotation":         {invalid("metadata.annotations[a.b/c]"), "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  annotations:\n    a: b\n    a.b/c: §x\n"},
		"no value":              {invalid("spec.image"), pod + "spec:\n  §image:\n  b: c\n"},
		"no field":              {invalid(), pod},
		"another field":         {invalid("<nil>"), "§" + pod},
		"a number for text":     {unfit("number", "EnvVar.spec.containers.env.value", "string"), pod + "spec:\n  containers:\n  - env:\n    - {name: a, value: \"1\"}\n  - env:\n    - {name: b, value: §2}\n"},
		"true for text":         {unfit("bool", "EnvVar.spec.containers.env.value", "string"), pod + "spec:\n  containers:\n  - env:\n    - {name: a, value: 1}\n    - {name: b, value: §true}\n"},
		"a map for a list":      {unfit("object", "PodSpec.spec.containers", "[]v1.Container"), pod + "spec:\n  §containers:\n    name: a\n"},
		"a List":                {unknown("spec.x"), "apiVersion: v1\nkind: PodList\nitems:\n- metadata: {name: a}\n  spec: {§x: 1}\n"},
		"a later document":      {unknown("spec.x"), "# a\n---\n# b\n---\n" + pod + "spec: {§x: 1}\n"},
		"admission":             {apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "a", errors.New("violates PodSecurity")), pod},
		"host network":          {insecure("host namespaces (hostNetwork=true)"), pod + "spec:\n  hostNetwork: §true\n"},
		"privileged":            {insecure(`privileged (container "b" must not set securityContext.privileged=true)`), pod + "spec:\n  containers:\n  - name: a\n    securityContext: {privileged: false}\n  - name: b\n    securityContext: {privileged: §true}\n"},
		"at first privileged":   {insecure(`privileged (container "b" must not set securityContext.privileged=true)`), pod + "spec:\n  containers: [{name: a}]\n  initContainers: [{name: b, securityContext: {privileged: §true}}]\n"},
		"capabilities":          {insecure(`non-default capabilities (container "a" must not include "NET_ADMIN" in securityContext.capabilities.add)`), pod + "spec:\n  containers:\n  - name: a\n    securityContext:\n      capabilities:\n        §add: [NET_ADMIN]\n"},
		"a volume":              {insecure(`hostPath volumes (volume "node")`), pod + "spec:\n  volumes:\n  - {name: other}\n  - §name: node\n    hostPath: {path: /}\n"},
		"something else":        {insecure(`odd things (container "x" must not set a.b=c)`), pod},
		"behind wide letters":   {unknown("spec.x"), pod + "spec: {ä: \"日本\", §x: 1}\n"},
		"an alias":              {invalid("spec.b"), pod + "spec:\n  a: &a 1\n  b: §*a\n"},
		"a field of an alias's": {invalid("spec.b.c"), pod + "spec:\n  a: &a {c: §1}\n  b: *a\n"},
		"merged":                {invalid("spec.b.c"), pod + "spec:\n  a: &a {c: §1}\n  b:\n    <<: *a\n"},
	} {
		text, at := marked(t, test.text)
		for how, text := range asWritten(text) {
			t.Run(name+", "+how, func(t *testing.T) {
				e, f := newEnv(t, map[string]string{file: text})
				objects, err := e.Objects(t.Context(), anything)
				require.NoError(t, err)
				f.dynamic.PrependReactor("create", "*", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, test.err })
				refusal, refused := AsRefusal(e.DryRun(t.Context(), objects[0]))
				require.True(t, refused)
				assert.Equal(t, at, refusal.Position)
			})
		}
	}
}

func TestPositionOfWrongAnswers(t *testing.T) {
	for name, text := range map[string]string{
		"one":           "user: bob\nverb: §get\n",
		"in quotes":     "user: bob\nverb: §\"get\"\n",
		"all":           "verb: get\nuser: §alice\n",
		"no value":      "user: bob\n§verb:\n",
		"one missing":   "user: bob\n",
		"one, one not":  "verb: §get\n",
		"a number":      "user: §3\nverb: list\n",
		"extra":         "user: bob\n§b: 1\nverb: list\n",
		"two extra":     "user: bob\nb: 1\n§a: 1\nverb: list\n",
		"a list":        "§- user: bob\n",
		"a sentence":    "§the user is bob\n",
		"two documents": "user: bob\n---\n§verb: list\n",
		"not YAML":      "user: bob\nverb: §[list\n",
		"twice":         "user: bob\n§user: bob\nverb: list\n",
		"JSON":          "{\n  \"user\": \"bob\",\n  \"verb\": §\"get\"\n}\n",
		"comments":      "# nothing\n",
	} {
		text, at := marked(t, text)
		for how, text := range asWritten(text) {
			t.Run(name+", "+how, func(t *testing.T) {
				e := &Env{Submission: lay(t, map[string]string{file: text})}
				failure, learners := AsFailure(e.Answers(file, "as asked", Answer{Key: "user", Right: []string{"bob"}}, Answer{Key: "verb", Right: []string{"list"}}))
				require.True(t, learners)
				assert.Equal(t, at, failure.Position, failure.Got)
			})
		}
	}
}

func TestPositionInAProgram(t *testing.T) {
	const program = "lab-2/call.go"
	for name, source := range map[string]string{
		"syntax":          "package main\n\nfunc main() {\n\tx := §)\n}\n",
		"type":            "package main\n\nfunc main() {\n\tvar n int = §\"x\"\n\t_ = n\n}\n",
		"behind umlauts":  "package main\n\nfunc main() {\n\t_ = \"äöü\"; §f()\n}\n",
		"the first":       "package main\n\nfunc main() {\n\t§f()\n\tg()\n}\n",
		"unused":          "package main\n\nimport §\"os\"\n\nfunc main() {}\n",
		"another package": "// a\npackage §call\n\nfunc main() {}\n",
		"an import":       "package main\n\nimport (\n\t\"os\"\n\t§\"github.com/evil/evil\"\n)\n\nfunc main() { evil.Do(os.Args) }\n",
		"a directive":     "package main\n\n§//go:embed /etc/passwd\nvar s string\n\nfunc main() { println(s) }\n",
		"another's line":  "package main\n\n§//line /etc/passwd:1\nfunc main() { undefined() }\n",
		"no such package": "package main\n\nimport §\"net/htpp\"\n\nfunc main() { htpp.Get() }\n",
		"no main":         "package main\n\nfunc Main() {}\n",
	} {
		source, at := marked(t, source)
		at.File = program
		for how, source := range asWritten(source) {
			t.Run(name+", "+how, func(t *testing.T) {
				s := lay(t, map[string]string{program: source})
				text, err := s.Text(program)
				require.NoError(t, err)
				_, err = newCompiler(t, "amd64").Compile(t.Context(), program, text)
				failure, learners := AsFailure(err)
				require.True(t, learners, "%v", err)
				assert.Equal(t, at, failure.Position, failure.Got)
			})
		}
	}
}

func TestPositionInAScript(t *testing.T) {
	const program = "lab-2/call.sh"
	for name, test := range map[string]struct{ script, stderr string }{
		"an open quote":     {"echo a\necho §\"b\necho c\n", "call.sh: line 4: syntax error: unterminated quoted string\n"},
		"arrays":            {"#!/bin/bash\n\nhosts=§(a b)\n", "call.sh: line 3: syntax error: unexpected \"(\"\n"},
		"only sh knows":     {"echo a\n§echo b\n", "call.sh: line 2: syntax error: bad substitution\n"},
		"a missing command": {"echo a\n§jq .\n", "curl: (6) x\ncall.sh: line 2: jq: not found\n"},
		"a bash command":    {"echo a\n§declare -A b\n", "call.sh: line 2: declare: not found\n"},
		"a line not there":  {"jq .\n", "call.sh: line 99: jq: not found\n"},
		"by its path":       {"env /usr/bin/python3\n", "env: can't execute '/usr/bin/python3': No such file or directory\n"},
	} {
		t.Run(name, func(t *testing.T) {
			script, at := marked(t, test.script)
			at.File = program
			if strings.HasPrefix(test.stderr, "call.sh: line 2") || strings.Contains(test.stderr, "jq: not") {
				at.Column = 0 // sh knows the line only
			}
			if name == "a line not there" {
				at.Line = 2
			}
			run := Run{Program: &Program{Name: program, bytes: []byte(script), script: true}, Stderr: test.stderr}
			require.NotNil(t, run.Trouble())
			assert.Equal(t, at, run.Trouble().Position)
		})
	}
	run := Run{Program: &Program{Name: "lab-2/call.go"}, Stderr: `exec: "kubectl": executable file not found in $PATH`}
	assert.Equal(t, Position{File: "lab-2/call.go"}, run.Trouble().Position)
}
