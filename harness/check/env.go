package check

import (
	"context"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"rolecall/harness/cluster"
)

// RunLabel marks every object that a run makes; its value is Env.Run. What
// carries it may be deleted by any later run.
const RunLabel = "rolecall.local/run"

// LabImage is the image that learners' pods use. The cluster's node has it.
const LabImage = "labs.local/busybox-curl:1"

// Env is what a check gets to work with. One Env serves one run of one lab.
type Env struct {
	Config     *rest.Config
	Client     kubernetes.Interface
	Dynamic    dynamic.Interface
	Namespaces cluster.Namespaces
	Submission *Submission
	Audit      *Audit // nil where the cluster gives no audit log
	Compiler   *Compiler
	Run        string // unique, a valid label value

	mu   sync.Mutex
	seen []Evidence
}

// Saw keeps evidence for the check that is running.
func (e *Env) Saw(evidence ...Evidence) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seen = append(e.seen, evidence...)
}

// Take hands over the evidence seen since the last Take.
func (e *Env) Take() []Evidence {
	e.mu.Lock()
	defer e.mu.Unlock()
	seen := e.seen
	e.seen = nil
	return seen
}

// labels are the labels of every object that this run makes.
func (e *Env) labels() map[string]string {
	return map[string]string{RunLabel: e.Run}
}

// Clean deletes all that the run made in the lab's namespaces. Pods go without
// grace: nothing in them is worth waiting for.
func (e *Env) Clean(ctx context.Context) error {
	return Sweep(ctx, e.Client, e.Namespaces, metav1.ListOptions{LabelSelector: RunLabel + "=" + e.Run})
}
