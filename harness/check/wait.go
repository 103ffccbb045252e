package check

import (
	"context"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/klog/v2"
)

// AccessSettles is how long the authorizer may take to see a binding come or
// go. It watches them, and is a moment behind; on a machine with ten times more
// to do than it has processors, 5 s were too few.
const AccessSettles = 15 * time.Second

// TokenRemembered is how long an API server may take a token for good that it
// has seen and that has ended since: it keeps its answer for 10 s, and some slack.
const TokenRemembered = 15 * time.Second

// Eventually polls done and reports whether it returned true within the bound.
// Hitting the bound is not an error, not even where that cut an answer off.
// Kubernetes is eventually consistent, so a single look proves nothing; the
// bound is part of every check's contract.
func Eventually(ctx context.Context, within, every time.Duration, done func(context.Context) (bool, error)) (bool, error) {
	ctx = klog.NewContext(ctx, logr.Discard()) // an answer that the bound cuts off is nothing to log
	err := wait.PollUntilContextTimeout(ctx, every, within, true, done)
	if err != nil && ctx.Err() == nil && wait.Interrupted(err) {
		return false, nil
	}
	return err == nil, err
}
