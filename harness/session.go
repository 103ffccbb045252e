package harness

import (
	"context"
	"fmt"
	"io"

	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"rolecall/harness/check"
	"rolecall/harness/cluster"
)

// Setting is what a run is made of.
type Setting struct {
	Cluster    cluster.Cluster // up
	Kind       string          // its name in results.json
	Submission string          // directory
	Module     string          // go.mod for learners' Go programs
	Sums       string          // its go.sum
	Cache      string          // directory for compiled programs
	AuditCopy  io.Writer       // gets the audit log as it comes; may be nil
}

// Session is one run's hold on a cluster and a submission.
type Session struct {
	Env   *check.Env
	Pulse *Pulse
	Facts ClusterFacts

	cancel context.CancelFunc
}

// Open prepares a run. The caller closes the session.
func Open(ctx context.Context, s Setting) (*Session, error) {
	submission, err := check.OpenSubmission(s.Submission)
	if err != nil {
		return nil, err
	}
	session, err := open(ctx, s, submission)
	if err != nil {
		submission.Close()
	}
	return session, err
}

func open(ctx context.Context, s Setting, submission *check.Submission) (*Session, error) {
	config := s.Cluster.Config()
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connecting to the cluster: %w; type make status", err)
	}
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connecting to the cluster: %w; type make status", err)
	}
	version, err := client.Discovery().ServerVersion()
	if err != nil {
		return nil, fmt.Errorf("asking the API server for its version: %w; type make status", err)
	}
	arch, err := nodeArch(ctx, client)
	if err != nil {
		return nil, err
	}

	ctx, cancel := context.WithCancel(ctx)
	session := &Session{
		Env: &check.Env{
			Config: config, Client: client, Dynamic: objects,
			Namespaces: s.Cluster.Namespaces(),
			Submission: submission,
			Compiler:   &check.Compiler{Module: s.Module, Sums: s.Sums, Arch: arch, Cache: s.Cache},
			Run:        "run-" + rand.String(10),
		},
		Pulse: Watch(ctx, func(ctx context.Context) error {
			return client.Discovery().RESTClient().Get().AbsPath("/livez/ping").Do(ctx).Error()
		}),
		Facts:  ClusterFacts{Kind: s.Kind, Kubernetes: version.GitVersion},
		cancel: cancel,
	}
	if logger, ok := s.Cluster.(cluster.AuditLogger); ok {
		log, err := logger.AuditLog(ctx)
		if err != nil {
			cancel()
			return nil, fmt.Errorf("opening the audit log: %w; type make status", err)
		}
		if s.AuditCopy != nil {
			log = &copied{io.TeeReader(log, s.AuditCopy), log}
		}
		session.Env.Audit = check.Follow(ctx, log, client)
		session.Facts.AuditLog = true
	}
	return session, nil
}

// copied is a log of which somebody keeps a copy.
type copied struct {
	io.Reader
	io.Closer
}

// Close lets go of the cluster and the submission.
func (s *Session) Close() {
	s.cancel()
	s.Env.Submission.Close()
}

// Runner runs steps in the session, as o watches.
func (s *Session) Runner(o Observer) *Runner {
	return &Runner{Env: s.Env, Pulse: s.Pulse, Observer: o}
}
