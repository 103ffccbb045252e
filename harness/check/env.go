package check

import (
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"rolecall/harness/cluster"
)

// RunLabel marks every object that a run makes; its value is Env.Run. What
// carries it may be deleted by any later run.
const RunLabel = "rolecall.local/run"

// Env is what a check gets to work with. One Env serves one run.
type Env struct {
	Config     *rest.Config
	Client     kubernetes.Interface
	Dynamic    dynamic.Interface
	Namespaces cluster.Namespaces
	Image      string                    // that the scene has on every node
	Node       string                    // the only one, "" if there are several
	Kinds      []schema.GroupVersionKind // of object that labs create
	Creates    []schema.GroupVersionKind // of those, what the lab that runs may create; nil means all
	Submission *Submission
	Audit      *Audit // nil where the cluster gives no audit log
	Compiler   *Compiler

	Authenticator cluster.Authenticator // nil where nobody may change whom the API server knows

	Run    string // unique, a valid label value
	Shared bool   // somebody else runs the cluster, and others use it

	mappers sync.Map // by group and version, what the API server said of its kinds

	mu       sync.Mutex
	running  string         // the check's id
	needs    []string       // whose values it may use
	found    map[string]any // by the id of the check that kept it
	seen     []Evidence
	programs []*Running                             // that may go on
	started  []beginnings                           // what callers the last Setup started
	ahead    map[beginnings][]*Caller               // those that wait for the next Setup
	given    map[target]bool                        // objects of the learner's that were stored since Deeds
	deleted  map[target]bool                        // objects that Sweep deleted since then
	attended bool                                   // the audit log is being followed
	written  map[*unstructured.Unstructured]written // by the object that Objects made of it
	strange  string                                 // what happened first after which the cluster should serve no other submission
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

// odd notes that something went beyond what a program may do. It was stopped, so
// that it changes no verdict; but what it was that stopped it is not proved to be
// as before.
func (e *Env) odd(what string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.strange == "" {
		e.strange = what
	}
}

// Odd says what happened in this run after which its cluster should serve no
// other submission, or "".
func (e *Env) Odd() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.strange
}

// labels are the labels of every object that this run makes.
func (e *Env) labels() map[string]string {
	return map[string]string{RunLabel: e.Run}
}
