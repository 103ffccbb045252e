package suite

import (
	"context"
	"strconv"
	"testing"

	"sigs.k8s.io/e2e-framework/pkg/envconf"
	"sigs.k8s.io/e2e-framework/pkg/features"

	"rolecall/harness"
)

// run is one harness.Run whose events are waited for by the assessments. It is
// an Observer.
type run struct {
	harness.Observer // shows the run
	judge            func(context.Context, harness.Observer) (*harness.Result, error)
	labs             []harness.Lab
	checks           map[string]chan harness.CheckResult // by id
	cleaned          map[string]chan harness.LabResult   // by slug

	ended  chan struct{} // nil before the first assessment
	result *harness.Result
	err    error
}

func newRun(labs []harness.Lab, shows harness.Observer, judge func(context.Context, harness.Observer) (*harness.Result, error)) *run {
	r := &run{
		Observer: shows, judge: judge, labs: labs,
		checks: map[string]chan harness.CheckResult{}, cleaned: map[string]chan harness.LabResult{},
	}
	for _, lab := range labs {
		r.cleaned[lab.Slug] = make(chan harness.LabResult, 1)
		for _, c := range lab.Checks {
			r.checks[c.ID] = make(chan harness.CheckResult, 1)
		}
	}
	return r
}

// CheckEnds shows a check's result and hands it to its assessment.
func (r *run) CheckEnds(c harness.CheckResult) {
	r.Observer.CheckEnds(c)
	r.checks[c.ID] <- c
}

// LabEnds shows a lab's result and hands it to its feature.
func (r *run) LabEnds(l harness.LabResult) {
	r.Observer.LabEnds(l)
	r.cleaned[l.Slug] <- l
}

// begin starts the run, once. At its end nobody waits for anything any more.
func (r *run) begin(ctx context.Context) {
	if r.ended != nil {
		return
	}
	r.ended = make(chan struct{})
	go func() {
		defer close(r.ended)
		r.result, r.err = r.judge(ctx, r)
		for _, c := range r.checks {
			close(c)
		}
		for _, l := range r.cleaned {
			close(l)
		}
	}()
}

// end waits for the run, if it has begun.
func (r *run) end() (*harness.Result, error) {
	if r.ended == nil {
		return nil, nil
	}
	<-r.ended
	return r.result, r.err
}

// features are the labs in e2e-framework's terms.
func (r *run) features() (all []features.Feature) {
	for _, lab := range r.labs {
		f := features.NewWithDescription(lab.Slug, lab.Title).WithLabel("lab", strconv.Itoa(lab.Number))
		for _, c := range lab.Checks {
			f.AssessWithDescription(c.ID, c.Desc, func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
				r.begin(ctx)
				if result, judged := <-r.checks[c.ID]; judged {
					tell(t, result)
				} else {
					t.Error("nothing was judged")
				}
				return ctx
			})
		}
		f.Teardown(func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			if r.ended == nil {
				return ctx
			}
			if result := <-r.cleaned[lab.Slug]; result.Cleanup != "" {
				t.Errorf("cleaning up: %s", result.Cleanup)
			}
			return ctx
		})
		all = append(all, f.Feature())
	}
	return all
}

// tell reports a check's outcome to go test.
func tell(t *testing.T, c harness.CheckResult) {
	switch c.Outcome {
	case harness.Fail:
		t.Errorf("wanted %s\nfound  %s\nhint   %s", c.Want, c.Got, c.Hint)
	case harness.Error:
		if c.Next != "" {
			t.Logf("next: %s", c.Next)
		}
		t.Errorf("could not check: %s", c.Error)
	case harness.Skipped:
		t.Skip(c.Error)
	}
}
