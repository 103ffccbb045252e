package check

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// AccessSettles is how long the authorizer may take to see a binding come or
// go; it watches them, so it is seconds behind at the worst.
const AccessSettles = 5 * time.Second

// Eventually asks until done says yes, and returns true; or until within has
// passed, and returns false and no error, also where that cut an answer off. Kubernetes is eventually consistent, so a single look
// proves nothing; the bound is part of every check's contract.
func Eventually(ctx context.Context, within, every time.Duration, done func(context.Context) (bool, error)) (bool, error) {
	err := wait.PollUntilContextTimeout(ctx, every, within, true, done)
	if err != nil && ctx.Err() == nil && wait.Interrupted(err) {
		return false, nil
	}
	return err == nil, err
}
