package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/google/renameio/v2/maybe"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"rolecall/harness/next"
)

// tasksFile is where Visual Studio Code looks for a folder's tasks.
const tasksFile = ".vscode/tasks.json"

// editor writes the tasks with which Visual Studio Code checks labs and
// underlines what is wrong in them. The repository has them already.
func (f *front) editor() *cobra.Command {
	show := false
	cmd := &cobra.Command{
		Use:   "editor",
		Short: "let Visual Studio Code underline what is wrong: write " + tasksFile,
		Args:  noWords,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.want.Validate(f.clusters()); err != nil {
				return err
			}
			by := f.itself()
			cmd.Flags().VisitAll(by.take)
			tasks, err := f.tasks(by)
			if err != nil {
				return err
			}
			if show {
				_, err := f.stdout.Write(tasks)
				return err
			}
			return f.writeTasks(cmd, tasks)
		},
	}
	f.clusterFlags(cmd)
	cmd.Flags().BoolVar(&show, "print", false, "print them instead")
	return cmd
}

// writeTasks leaves tasks of the user's own alone.
func (f *front) writeTasks(cmd *cobra.Command, tasks []byte) error {
	there, err := os.ReadFile(tasksFile)
	switch {
	case err == nil && bytes.Equal(there, tasks):
		fmt.Fprintf(f.stdout, "%s is as it should be.\n", tasksFile)
		return nil
	case err == nil:
		return next.Errorf("copy the tasks that you want from: "+cmd.CommandPath()+" --print", "writing %s: the file is there already, and it is another", tasksFile)
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("writing %s: %w", tasksFile, err)
	}
	err = os.MkdirAll(path.Dir(tasksFile), 0o755)
	if err == nil {
		err = maybe.WriteFile(tasksFile, tasks, 0o644)
	}
	if err != nil {
		return next.Errorf("run it in a folder that you may write to", "writing %s: %w", tasksFile, err)
	}
	fmt.Fprintf(f.stdout, "Wrote %s. Open this folder in Visual Studio Code; Ctrl+Shift+B checks the lab of the file that is open.\n", tasksFile)
	return nil
}

// itself is how a task runs this program, wherever the folder is opened.
func (f *front) itself() runner {
	if isDir(filepath.FromSlash(f.course.Source(f.course.Labs[0]))) {
		return runner{program: "make"}
	}
	typed, err := os.Executable()
	if err != nil || !strings.ContainsAny(os.Args[0], `/\`) { // it is in PATH
		return runner{program: program()}
	}
	if here, err := os.Getwd(); err == nil {
		if within, err := filepath.Rel(here, typed); err == nil && filepath.IsLocal(within) {
			typed = "${workspaceFolder}/" + filepath.ToSlash(within)
		}
	}
	return runner{program: typed}
}

// runner is make in the repository, or else this program.
type runner struct {
	program string
	on      []string // the words that choose a cluster, where it is chosen
}

// take adds a flag that chooses a cluster, where it is given.
func (r *runner) take(flag *pflag.Flag) {
	switch {
	case !flag.Changed || !slices.Contains([]string{"cluster", "name", "context", "kubeconfig", "home"}, flag.Name):
	case r.program == "make" && flag.Name == "home":
		r.on = append(r.on, "ROLECALL_HOME="+flag.Value.String())
	case r.program == "make":
		r.on = append(r.on, strings.ToUpper(flag.Name)+"="+flag.Value.String())
	default:
		r.on = append(r.on, "--"+flag.Name, flag.Value.String())
	}
}

// lab are the words that check a lab, given its folder in a submission.
func (r runner) lab(folder string) []string {
	if r.program == "make" {
		return r.words(folder, true)
	}
	return append([]string{"lab", folder}, r.words("", true)...)
}

// words are a command, which prints what editors read.
func (r runner) words(command string, problems bool) (words []string) {
	if command != "" {
		words = append(words, command)
	}
	switch {
	case problems && r.program == "make":
		words = append(words, "PROBLEMS=1")
	case problems:
		words = append(words, "--problems")
	}
	return append(words, r.on...)
}

// The parts of a tasks.json of version 2.0.0 that we use, as in
// https://code.visualstudio.com/docs/reference/tasks-appendix.
type (
	vscodeTasks struct {
		Version string        `json:"version"`
		Tasks   []vscodeTask  `json:"tasks"`
		Inputs  []vscodeInput `json:"inputs"`
	}
	vscodeTask struct {
		Label        string             `json:"label"`
		Detail       string             `json:"detail"`
		Type         string             `json:"type"`
		Command      string             `json:"command"`
		Args         []string           `json:"args"`
		IsBackground bool               `json:"isBackground,omitempty"`
		Group        *vscodeGroup       `json:"group,omitempty"`
		Presentation vscodePresentation `json:"presentation"`
		Matchers     []vscodeMatcher    `json:"problemMatcher"`
	}
	vscodeGroup struct {
		Kind      string `json:"kind"`
		IsDefault bool   `json:"isDefault"`
	}
	vscodePresentation struct {
		Clear bool   `json:"clear"`
		Panel string `json:"panel"`
	}
	vscodeMatcher struct {
		Owner        string            `json:"owner"`
		Source       string            `json:"source"`
		FileLocation []string          `json:"fileLocation"`
		Pattern      vscodePattern     `json:"pattern"`
		Background   *vscodeBackground `json:"background,omitempty"`
	}
	vscodePattern struct {
		Regexp   string `json:"regexp"`
		File     int    `json:"file"` // these are numbers of groups
		Line     int    `json:"line"`
		Column   int    `json:"column"`
		Severity int    `json:"severity"`
		Code     int    `json:"code"`
		Message  int    `json:"message"`
	}
	vscodeBackground struct {
		ActiveOnStart bool   `json:"activeOnStart"`
		Begins        string `json:"beginsPattern"`
		Ends          string `json:"endsPattern"`
	}
	vscodeInput struct {
		ID          string `json:"id"`
		Type        string `json:"type"`
		Description string `json:"description"`
		Default     string `json:"default"`
	}
)

// tasks are those of the course, as a tasks.json.
func (f *front) tasks(by runner) ([]byte, error) {
	matcher := vscodeMatcher{
		Owner: "rolecall", Source: "rolecall", FileLocation: []string{"autoDetect", "${workspaceFolder}"},
		Pattern: vscodePattern{ // of report.Problems
			Regexp: `^(.+?):(\d+):(\d+): (error): ([^ ]+): (.*)$`,
			File:   1, Line: 2, Column: 3, Severity: 4, Code: 5, Message: 6,
		},
	}
	watching := matcher
	watching.Background = &vscodeBackground{ActiveOnStart: true, Begins: `^problems:$`, Ends: `^\d+ problems?$`}

	number := vscodeInput{ID: "number", Type: "promptString", Description: "The lab's number", Default: strconv.Itoa(f.course.Labs[0].Number)}
	all := vscodeTasks{
		Version: "2.0.0",
		Tasks: []vscodeTask{
			{Label: "check this lab", Detail: "the lab of the file that is open", Args: by.lab("${fileDirnameBasename}"), Matchers: []vscodeMatcher{matcher}, Group: &vscodeGroup{"build", true}},
			{Label: "check a lab", Detail: "the lab whose number you give", Args: by.lab("lab-${input:number}"), Matchers: []vscodeMatcher{matcher}},
			{Label: "check all labs", Detail: "and the story that they tell together", Args: by.words(f.course.Name, true), Matchers: []vscodeMatcher{matcher}},
			{Label: "hint", Detail: "for what failed last", Args: by.words("hint", false), Matchers: []vscodeMatcher{}},
			{Label: "watch", Detail: "check the current lab whenever a file is saved", Args: by.words("watch", true), Matchers: []vscodeMatcher{watching}, IsBackground: true},
		},
		Inputs: []vscodeInput{number},
	}
	for i := range all.Tasks {
		t := &all.Tasks[i]
		t.Label = "rolecall: " + t.Label
		t.Type, t.Command = "process", by.program
		t.Presentation = vscodePresentation{Clear: true, Panel: "dedicated"}
	}
	var text bytes.Buffer
	out := json.NewEncoder(&text)
	out.SetEscapeHTML(false)
	out.SetIndent("", "\t") // as Visual Studio Code writes it
	err := out.Encode(all)
	return text.Bytes(), err
}
