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

// connect connects to the cluster, which is up, until ctx is over or the session
// is closed.
func (s *Session) connect(ctx context.Context) error {
	config := s.cluster.Config()
	binary := rest.CopyConfig(config)
	binary.ContentType, binary.AcceptContentTypes = runtime.ContentTypeProtobuf, runtime.ContentTypeProtobuf+","+runtime.ContentTypeJSON
	client, err := kubernetes.NewForConfig(binary)
	if err != nil {
		return next.Errorf("make status", "connecting to the cluster: %w", err)
	}
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return next.Errorf("make status", "connecting to the cluster: %w", err)
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
	logger, logs := s.cluster.(cluster.AuditLogger)
	if logs {
		group.Go(func() (err error) { self, err = check.Self(asking, client); return err })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	_, ours := s.cluster.(cluster.Owned)
	ctx, s.cancel = context.WithCancel(ctx)
	s.env = &check.Env{
		Config: config, Client: client, Dynamic: objects,
		Namespaces: s.cluster.Namespaces(), Image: s.course.Scene.Image, Node: node, Kinds: s.course.Kinds(),
		Compiler: &check.Compiler{Module: s.course.Program, Arch: arch, Cache: filepath.Join(s.options.Home, "programs"), Home: s.options.Home},
		Run:      "run-" + rand.String(10),
		Shared:   !ours,
	}
	s.env.Authenticator, _ = s.cluster.(cluster.Authenticator)
	s.monitor = Watch(ctx, func(ctx context.Context) error {
		return client.Discovery().RESTClient().Get().AbsPath("/livez/ping").Do(ctx).Error()
	})
	s.facts = ClusterFacts{Provider: s.cluster.Provider(), Kubernetes: version.GitVersion, Served: s.served}
	if patient, tells := s.cluster.(cluster.Diagnoser); tells {
		s.diagnose = patient.Diagnose
	}
	if !logs {
		return nil
	}
	log, err := logger.AuditLog(ctx)
	if err != nil {
		return next.Errorf("make status", "opening the audit log: %w", err)
	}
	if recorder := s.options.Recorder; recorder != nil {
		log = &copied{io.TeeReader(log, recorder.Audit()), log}
	}
	s.env.Audit = check.Follow(ctx, log, client, self)
	s.facts.AuditLog = true
	return nil
}

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
