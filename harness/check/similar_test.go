package check

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestANearMissIsNamed(t *testing.T) {
	pod, call, answer := []string{"pod.yaml"}, []string{"call.sh", "call.go"}, []string{"answer.yaml"}
	for name, test := range map[string]struct {
		folder, there string
		names         []string
		got, hint     string
	}{
		"capitals":                    {"lab-1", "lab-1/Pod.yaml", pod, "lab-1/Pod.yaml", "Call it lab-1/pod.yaml."},
		"yml":                         {"lab-1", "lab-1/pod.yml", pod, "lab-1/pod.yml", "Call it lab-1/pod.yaml."},
		"json":                        {"lab-1", "lab-1/pod.json", pod, "lab-1/pod.json", "Call it lab-1/pod.yaml."},
		"txt":                         {"lab-1", "lab-1/pod.yaml.txt", pod, "lab-1/pod.yaml.txt", "Call it lab-1/pod.yaml."},
		"plain txt":                   {"lab-1", "lab-1/pod.txt", pod, "lab-1/pod.txt", "Call it lab-1/pod.yaml."},
		"a browser's copy":            {"lab-1", "lab-1/pod (1).yaml", pod, "lab-1/pod (1).yaml", "Call it lab-1/pod.yaml."},
		"a desktop's copy":            {"lab-1", "lab-1/Copy of Pod.yml", pod, "lab-1/Copy of Pod.yml", "Call it lab-1/pod.yaml."},
		"another copy":                {"lab-1", "lab-1/pod - Copy.yaml", pod, "lab-1/pod - Copy.yaml", "Call it lab-1/pod.yaml."},
		"another name":                {"lab-1", "lab-1/mypod.yaml", pod, "lab-1/mypod.yaml", "Call it lab-1/pod.yaml."},
		"main.go":                     {"lab-2", "lab-2/main.go", call, "lab-2/main.go", "Call it lab-2/call.go."},
		"bash":                        {"lab-2", "lab-2/call.bash", call, "lab-2/call.bash", "Call it lab-2/call.sh."},
		"no ending":                   {"lab-2", "lab-2/call", call, "lab-2/call", "Call it lab-2/call.sh or lab-2/call.go."},
		"Python":                      {"lab-2", "lab-2/call.py", call, "lab-2/call.py", "Programs in py are not run: write lab-2/call.sh or lab-2/call.go."},
		"folder in capitals":          {"lab-1", "Lab-1/pod.yaml", pod, "Lab-1/pod.yaml", "Move it to lab-1/pod.yaml."},
		"folder without hyphen":       {"lab-1", "lab1/pod.yaml", pod, "lab1/pod.yaml", "Move it to lab-1/pod.yaml."},
		"folder with underscore":      {"lab-1", "lab_1/pod.yml", pod, "lab_1/pod.yml", "Move it to lab-1/pod.yaml."},
		"folder as in the repository": {"lab-1", "lab-1-pod/pod.yaml", pod, "lab-1-pod/pod.yaml", "Move it to lab-1/pod.yaml."},
		"at the top":                  {"lab-2", "call.sh", call, "call.sh", "Move it to lab-2/call.sh."},
		"another lab's folder":        {"lab-1", "lab-10/pod.yaml", pod, "no such file", "Write lab-1/pod.yaml; make restart-1 brings the starter back."},
		"nothing":                     {"lab-2", "lab-2/README", call, "neither", "Write one of the two; make restart-2 brings the starter back."},
		"another file of the lab's":   {"lab-2", "lab-2/call.sh", answer, "no such file", "Write lab-2/answer.yaml; make restart-2 brings the starter back."},
		"unrelated file at the top":   {"lab-1", "notes.yaml", pod, "no such file", "Write lab-1/pod.yaml; make restart-1 brings the starter back."},
		"an escape":                   {"lab-1", "lab-1/\x1b[2J.yaml", pod, `lab-1/\x1b[2J.yaml`, "Call it lab-1/pod.yaml."},
	} {
		t.Run(name, func(t *testing.T) {
			err := lay(t, map[string]string{test.there: "x"}).Missing("it", test.folder, test.names...)
			failure, learners := AsFailure(err)
			require.True(t, learners)
			assert.Equal(t, Failure{Want: "it", Got: test.got, Hint: test.hint, Slip: true}, *failure)
		})
	}
	t.Run("two that could be meant", func(t *testing.T) {
		err := lay(t, map[string]string{"lab-2/a.go": "x", "lab-2/b.go": "x"}).Missing("it", "lab-2", call...)
		failure, _ := AsFailure(err)
		assert.Equal(t, "neither", failure.Got)
	})
	t.Run("the nearest", func(t *testing.T) {
		err := lay(t, map[string]string{"lab-2/main.go": "x", "lab-2/Call.go": "x", "call.sh": "x"}).Missing("it", "lab-2", call...)
		failure, _ := AsFailure(err)
		assert.Equal(t, "lab-2/Call.go", failure.Got)
	})
}
