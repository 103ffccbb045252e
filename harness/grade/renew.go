package grade

import (
	"context"
	"fmt"
	"time"

	"rolecall/harness/check"
	"rolecall/harness/cluster"
	"rolecall/harness/cluster/place"
	"rolecall/harness/inventory"
)

// renewed bounds the wait for what was deleted to be gone.
const renewed = 20 * time.Second

// renew brings a cluster back to what it was when new, and looks whether it
// is: every object that was there is there, and no other.
func renew(ctx context.Context, lab cluster.Owned) error {
	baseline, _, err := place.Restore(ctx, lab, func(inventory.Object) {})
	if err != nil {
		return err
	}
	var differs []inventory.Object
	same, err := check.Eventually(ctx, renewed, 200*time.Millisecond, func(ctx context.Context) (bool, error) {
		now, err := inventory.Take(ctx, lab.Config())
		differs = append(inventory.Strangers(baseline, now), inventory.Lost(baseline, now)...)
		return err == nil && len(differs) == 0, err
	})
	if err == nil && !same {
		err = fmt.Errorf("resetting the cluster: %d objects differ from when it was new, %s among them", len(differs), differs[0])
	}
	return err
}
