package harness

import (
	"context"
	"errors"
	"io"
	"time"

	"k8s.io/client-go/kubernetes"

	"rolecall/harness/check"
	"rolecall/harness/cluster"
)

// Options say how a run is made. The zero value is a learner's run.
type Options struct {
	Home     string       // rolecall's folder, for locks and compiled programs
	Use      Use          // of the cluster
	Observer Observer     // hears of the run; may be nil
	Recorder Recorder     // keeps evidence; may be nil
	Say      func(string) // announces decisions in a line each; may be nil
}

// Observer hears of a run as it goes on. Methods are called one at a time.
type Observer interface {
	// LabBegins hears of a lab before it is set up.
	LabBegins(Lab)
	// CheckBegins hears of a check before it runs or is skipped.
	CheckBegins(Check)
	// CheckEnds hears how a check went.
	CheckEnds(CheckResult)
	// LabEnds hears how a lab went, after what it created was deleted.
	LabEnds(LabResult)
}

// Recorder keeps what verdicts rest on, beside the result.
type Recorder interface {
	// Audit takes the API server's audit log as it comes.
	Audit() io.Writer
	// Begin is called when the cluster is up and no lab has begun.
	Begin(ctx context.Context, client kubernetes.Interface, namespaces []string) error
	// End is called after the last lab.
	End(ctx context.Context, labs []LabResult)
}

// ErrInterrupted is why a run that was cancelled has no result.
var ErrInterrupted = errors.New("interrupted; nothing was judged")

// Run runs labs on a submission, a directory, in a cluster: it waits until no
// other run uses the cluster, brings it up, runs each lab and deletes what it
// created, and sums up. An error means that nothing was judged; it is
// ErrInterrupted where ctx ended.
func Run(ctx context.Context, course Course, labs []Lab, c cluster.Cluster, submission string, o Options) (_ *Result, err error) {
	began := time.Now()
	files, err := check.OpenSubmission(submission, course.asked()) // it may be misnamed; a cluster takes longer
	if err != nil {
		return nil, err
	}
	files.Close()
	s, err := Open(ctx, course, c, o)
	if err != nil {
		return nil, err
	}
	result, err := s.run(ctx, labs, submission, o.Observer, began)
	if err := errors.Join(err, s.Close(ctx)); err != nil {
		return nil, interrupted(ctx, err)
	}
	return result, nil
}

// interrupted is ErrInterrupted where ctx is why there is an error.
func interrupted(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ErrInterrupted
	}
	return err
}
