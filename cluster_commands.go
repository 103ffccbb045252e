package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"rolecall/harness/cluster/place"
	"rolecall/harness/inventory"
)

func (o *options) up(ctx context.Context) error {
	lab, kind, err := o.Choose()
	if err != nil {
		return err
	}
	if kind == "existing" {
		return errors.New("creating a cluster: CLUSTER=existing uses one that is up; type make lab-1 CLUSTER=existing CONTEXT=name")
	}
	release, err := o.Alone(ctx)
	if err != nil {
		return err
	}
	defer release()
	if err := lab.Up(ctx); err != nil {
		return err
	}
	return o.status(ctx)
}

func (o *options) down(ctx context.Context) error {
	release, err := o.Alone(ctx)
	if err != nil {
		return err
	}
	defer release()
	return o.Kind().Down(ctx)
}

func (o *options) status(ctx context.Context) error {
	line, err := o.Kind().Status(ctx)
	if err != nil {
		return err
	}
	fmt.Println(line)
	return nil
}

// reset deletes from our cluster what was not there when it was new, and
// mends the lab's place.
func (o *options) reset(ctx context.Context) error {
	release, err := o.Alone(ctx)
	if err != nil {
		return err
	}
	defer release()
	lab := o.Kind()
	if err := lab.Up(ctx); err != nil {
		return err
	}
	baseline, err := lab.Baseline()
	if err != nil {
		return err
	}
	now, err := inventory.Take(ctx, lab.Config())
	if err != nil {
		return err
	}
	strangers := inventory.Strangers(baseline, now)
	for _, o := range strangers {
		fmt.Println("deleting", o)
	}
	if err := inventory.Delete(ctx, lab.Config(), strangers); err != nil {
		return err
	}
	if err := place.Make(ctx, lab.Config(), lab.Namespaces()); err != nil {
		return err
	}
	fmt.Printf("%d objects deleted; the cluster is as it was when new\n", len(strangers))
	return nil
}

func (o *options) logs(ctx context.Context, dir string) error {
	if dir == "" || strings.HasPrefix(dir, "-") {
		return errors.New("collecting logs: no directory named; type rolecall logs DIR")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("collecting logs: %w", err)
	}
	return o.Kind().Logs(ctx, dir)
}
