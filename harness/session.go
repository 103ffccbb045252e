package harness

import (
	"context"
	"errors"
	"time"

	"rolecall/harness/check"
	"rolecall/harness/cluster"
)

// Session is a hold on a cluster, for one run or for many. While it rests,
// others may use the cluster. A Session is for one goroutine.
type Session struct {
	course  Course
	cluster cluster.Cluster
	options Options

	release func() // lets others use the cluster; nil while the session rests
	served  int    // runs before this one
	strange string // why the cluster should serve no other run, or ""

	env      *check.Env
	monitor  *Monitor
	diagnose func() error // what is wrong with the cluster itself; may be nil
	facts    ClusterFacts
	cancel   context.CancelFunc // of the connection; nil where there is none
	observer Observer           // of the run
	outcomes map[string]Outcome // by check id
	only     check.Position     // the lab's file, where there is one
	swept    bool               // nothing of a lab is left
}

// Open waits until no other run uses the cluster, brings it up and connects to
// it. The caller closes the session. The error is ErrInterrupted where ctx ended.
func Open(ctx context.Context, course Course, c cluster.Cluster, o Options) (_ *Session, err error) {
	s := &Session{course: course, cluster: c, options: o, strange: "nothing was judged on it"}
	if s.release, err = o.lock(ctx, c); err != nil {
		return nil, interrupted(ctx, err)
	}
	if s.served, err = o.enter(ctx, c); err == nil {
		err = s.connect(ctx)
	}
	if err != nil {
		return nil, interrupted(ctx, errors.Join(err, s.Close(ctx)))
	}
	return s, nil
}

// Run runs labs on a submission, a directory, and deletes what they created.
// observer may be nil. An error means that nothing was judged; it is
// ErrInterrupted where ctx ended.
func (s *Session) Run(ctx context.Context, labs []Lab, submission string, observer Observer) (*Result, error) {
	result, err := s.run(ctx, labs, submission, observer, time.Now())
	return result, interrupted(ctx, err)
}

func (s *Session) run(ctx context.Context, labs []Lab, submission string, observer Observer, began time.Time) (*Result, error) {
	files, err := check.OpenSubmission(submission, s.course.asked())
	if err != nil {
		return nil, err
	}
	defer files.Close()
	if err := s.wake(ctx); err != nil {
		return nil, err
	}
	s.env.Submission, s.outcomes, s.observer = files, map[string]Outcome{}, observer
	if observer == nil {
		s.observer = silent{}
	}
	result := &Result{StartedAt: began.UTC(), Submission: submission, Cluster: s.facts}
	if recorder := s.options.Recorder; recorder != nil {
		if err := recorder.Begin(ctx, s.env.Client, s.cluster.Namespaces().Names()); err != nil {
			return nil, err
		}
		defer func() { recorder.End(ctx, result.Labs) }()
	}
	for _, lab := range labs {
		result.Labs = append(result.Labs, s.lab(ctx, lab))
		if ctx.Err() != nil {
			return nil, ErrInterrupted
		}
	}
	result.Sum()
	s.strange = s.odd(result)
	return result, nil
}

// Ahead makes what the last lab's Setup started ready for the next run.
func (s *Session) Ahead(ctx context.Context) error { return interrupted(ctx, s.env.Ahead(ctx)) }

// Sweep deletes what runs left that were killed, and what Ahead made ready.
func (s *Session) Sweep(ctx context.Context) error {
	if err := s.wake(ctx); err != nil {
		return interrupted(ctx, err)
	}
	return interrupted(ctx, s.env.Sweep(ctx))
}

// Rest lets others use the cluster until the next run.
func (s *Session) Rest() {
	if s.release != nil {
		s.release()
		s.release, s.swept = nil, false // by what others may leave
	}
}

// wake ends a rest.
func (s *Session) wake(ctx context.Context) (err error) {
	if s.release == nil {
		s.release, err = s.options.lock(ctx, s.cluster)
	}
	return err
}

// odd says why the cluster is not to be used for another submission, or "".
func (s *Session) odd(r *Result) string {
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

// Close lets go of the cluster, also when ctx is over.
func (s *Session) Close(ctx context.Context) error {
	if s.cancel != nil {
		s.cancel()
	}
	err := s.options.leave(ctx, s.cluster, s.served+1, s.strange)
	if s.release != nil {
		s.release()
	}
	return err
}
