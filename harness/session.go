package harness

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/rand"
	apiversion "k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"rolecall/harness/check"
	"rolecall/harness/cluster"
	"rolecall/harness/next"
)

// session is one run's hold on a cluster and a submission.
type session struct {
	course   Course
	env      *check.Env
	monitor  *Monitor
	diagnose func() error // what is wrong with the cluster itself; may be nil
	observer Observer
	facts    ClusterFacts
	outcomes map[string]Outcome // by check id
	swept    bool               // nothing of a lab is left
	cancel   context.CancelFunc
}

// open connects to a cluster that is up. The caller closes the session.
func open(ctx context.Context, course Course, c cluster.Cluster, files *check.Submission, o Options) (*session, error) {
	config := c.Config()
	binary := rest.CopyConfig(config)
	binary.ContentType, binary.AcceptContentTypes = runtime.ContentTypeProtobuf, runtime.ContentTypeProtobuf+","+runtime.ContentTypeJSON
	client, err := kubernetes.NewForConfig(binary)
	if err != nil {
		return nil, next.Errorf("make status", "connecting to the cluster: %w", err)
	}
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, next.Errorf("make status", "connecting to the cluster: %w", err)
	}
	var version *apiversion.Info
	var arch, node, self string
	group, asking := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		if version, err = client.Discovery().ServerVersion(); err != nil {
			return next.Errorf("make status", "asking the API server for its version: %w", err)
		}
		return nil
	})
	group.Go(func() (err error) { arch, node, err = nodes(asking, client); return err })
	logger, logs := c.(cluster.AuditLogger)
	if logs {
		group.Go(func() (err error) { self, err = check.Self(asking, client); return err })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	_, ours := c.(cluster.Owned)
	ctx, cancel := context.WithCancel(ctx)
	s := &session{
		course: course,
		env: &check.Env{
			Config: config, Client: client, Dynamic: objects,
			Namespaces: c.Namespaces(), Image: course.Scene.Image, Node: node, Kinds: course.Kinds(),
			Submission: files,
			Compiler:   &check.Compiler{Module: course.Program, Arch: arch, Cache: filepath.Join(o.Home, "programs"), Home: o.Home},
			Run:        "run-" + rand.String(10),
			Shared:     !ours,
		},
		monitor: Watch(ctx, func(ctx context.Context) error {
			return client.Discovery().RESTClient().Get().AbsPath("/livez/ping").Do(ctx).Error()
		}),
		observer: o.Observer,
		facts:    ClusterFacts{Provider: c.Provider(), Kubernetes: version.GitVersion},
		outcomes: map[string]Outcome{},
		cancel:   cancel,
	}
	if patient, tells := c.(cluster.Diagnoser); tells {
		s.diagnose = patient.Diagnose
	}
	if s.observer == nil {
		s.observer = silent{}
	}
	if logs {
		log, err := logger.AuditLog(ctx)
		if err != nil {
			cancel()
			return nil, next.Errorf("make status", "opening the audit log: %w", err)
		}
		if o.Recorder != nil {
			log = &copied{io.TeeReader(log, o.Recorder.Audit()), log}
		}
		s.env.Audit = check.Follow(ctx, log, client, self)
		s.facts.AuditLog = true
	}
	return s, nil
}

// odd says why the cluster is not to be used for another submission, or "".
func (s *session) odd(r *Result) string {
	for _, lab := range r.Labs {
		if lab.Outcome == Error {
			return "a check of " + lab.Heading() + " ended in an error"
		}
		if lab.Cleanup != "" {
			return lab.Cleanup
		}
	}
	return s.env.Odd()
}

// close lets go of the cluster.
func (s *session) close() { s.cancel() }

// copied is a log of which somebody keeps a copy.
type copied struct {
	io.Reader
	io.Closer
}

// silent is an Observer that says nothing.
type silent struct{}

func (silent) LabBegins(Lab)         {}
func (silent) CheckBegins(Check)     {}
func (silent) CheckEnds(CheckResult) {}
func (silent) LabEnds(LabResult)     {}

// nodes are asked for the GOARCH that learners' programs are compiled for, and
// for the name of the only one. A cluster of mixed nodes is refused: a pod could
// land on the wrong one.
func nodes(ctx context.Context, client kubernetes.Interface) (arch, only string, err error) {
	list, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", "", next.Errorf("make status", "asking for the cluster's nodes: %w", err)
	}
	for _, node := range list.Items {
		switch a := node.Status.NodeInfo.Architecture; {
		case arch == "":
			arch = a
		case arch != a:
			return "", "", fmt.Errorf("choosing an architecture: the cluster has nodes of %s and of %s, and rolecall needs one of a single architecture", arch, a)
		}
	}
	if arch == "" {
		return "", "", next.Errorf("make status", "choosing an architecture: the cluster has no node")
	}
	if len(list.Items) == 1 {
		only = list.Items[0].Name
	}
	return arch, only, nil
}
