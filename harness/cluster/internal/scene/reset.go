package scene

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"

	"rolecall/harness/cluster"
	"rolecall/harness/inventory"
	"rolecall/harness/next"
)

// settleLimit bounds the wait for what Kubernetes adds to a repaired scene.
const settleLimit = 20 * time.Second

// Reset deletes from one of our clusters what was not there when it was new,
// tells each object before, repairs the scene, and looks whether every object
// that was there is there, and no other.
func Reset(ctx context.Context, config *rest.Config, scene cluster.Scene, baseline []inventory.Object, tell func(inventory.Object)) error {
	if err := inventory.RemoveExtra(ctx, config, baseline, tell); err != nil {
		return err
	}
	if err := Set(ctx, config, scene.Objects, scene.Namespaces); err != nil {
		return err
	}
	var lost []inventory.Object
	err := wait.PollUntilContextTimeout(ctx, 200*time.Millisecond, settleLimit, true, func(ctx context.Context) (bool, error) {
		now, err := inventory.Take(ctx, config)
		lost = inventory.Lost(baseline, now)
		return err == nil && len(lost) == 0, err
	})
	if wait.Interrupted(err) && ctx.Err() == nil {
		return next.Errorf("make down, then make up", "resetting the cluster: %s was there when it was new and is gone", lost[0])
	}
	if err != nil {
		return err
	}
	return inventory.RemoveExtra(ctx, config, baseline, tell) // what came meanwhile
}
