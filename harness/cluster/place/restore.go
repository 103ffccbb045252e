package place

import (
	"context"

	"rolecall/harness/cluster"
	"rolecall/harness/inventory"
)

// Restore deletes from a cluster of ours what was not there when it was new,
// tells each object before, and mends the lab's place. What is deleted may
// take a moment to be gone.
func Restore(ctx context.Context, lab cluster.Owned, tell func(inventory.Object)) (baseline, strangers []inventory.Object, err error) {
	if baseline, err = lab.Baseline(); err != nil {
		return nil, nil, err
	}
	now, err := inventory.Take(ctx, lab.Config())
	if err != nil {
		return nil, nil, err
	}
	strangers = inventory.Strangers(baseline, now)
	for _, o := range strangers {
		tell(o)
	}
	if err := inventory.Delete(ctx, lab.Config(), strangers); err != nil {
		return nil, nil, err
	}
	return baseline, strangers, Make(ctx, lab.Config(), lab.Namespaces())
}
