package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"rolecall/harness/cluster/engine"
	"rolecall/harness/cluster/kind/nodeimage"
	"rolecall/harness/cluster/place"
	"rolecall/harness/evidence"
	"rolecall/harness/inventory"
)

func (o *options) up(ctx context.Context) error {
	release, err := o.Alone(ctx)
	if err != nil {
		return err
	}
	defer release()
	lab, _, err := o.Own(ctx)
	if err != nil {
		return err
	}
	if err := lab.Up(ctx); err != nil {
		return err
	}
	line, err := lab.Status(ctx)
	fmt.Println(line)
	return err
}

func (o *options) down(ctx context.Context) error {
	release, err := o.Alone(ctx)
	if err != nil {
		return err
	}
	defer release()
	for _, lab := range o.There() {
		if err := lab.Down(ctx); err != nil {
			return err
		}
	}
	fmt.Printf("no cluster %s is left\n", o.Name)
	return nil
}

func (o *options) status(ctx context.Context) error {
	there := o.There()
	if len(there) == 0 {
		fmt.Println("no cluster; make up creates one")
	}
	for _, lab := range there {
		line, err := lab.Status(ctx)
		if err != nil {
			return err
		}
		fmt.Println(line)
	}
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
	lab, _, err := o.Own(ctx)
	if err != nil {
		return err
	}
	if err := lab.Up(ctx); err != nil {
		return err
	}
	_, strangers, err := place.Restore(ctx, lab, func(o inventory.Object) { fmt.Println("deleting", o) })
	if err != nil {
		return err
	}
	fmt.Printf("objects deleted: %d; the cluster is as it was when new\n", len(strangers))
	return nil
}

func (o *options) logs(ctx context.Context, dir string) error {
	if dir == "" || strings.HasPrefix(dir, "-") {
		return errors.New("collecting logs: no directory named; type rolecall logs DIR")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("collecting logs: %w", err)
	}
	there := o.There()
	if len(there) == 0 {
		return errors.New("collecting logs: there is no cluster; type make up")
	}
	for _, lab := range there {
		if err := lab.Logs(ctx, dir); err != nil {
			return err
		}
	}
	return nil
}

// clean deletes what was built for clusters: images, archives, compiled
// programs. Clusters and learners' work are not built.
func (o *options) clean(ctx context.Context) error {
	for _, folder := range []string{"clusters", "embedded"} {
		if entries, err := os.ReadDir(filepath.Join(o.Home, folder)); err == nil && len(entries) > 0 {
			return fmt.Errorf("deleting what was built: the cluster %s still uses it; type make down NAME=%s first", entries[0].Name(), entries[0].Name())
		}
	}
	container, err := engine.Detect(ctx)
	if err == nil {
		err = nodeimage.Remove(ctx, container)
	}
	if err != nil && !errors.Is(err, engine.ErrNone) {
		return err
	}
	entries, err := os.ReadDir(o.Home)
	for _, entry := range entries {
		if !evidence.IsKey(entry.Name()) { // old evidence is verified with it
			err = errors.Join(err, os.RemoveAll(filepath.Join(o.Home, entry.Name())))
		}
	}
	if err != nil {
		return fmt.Errorf("deleting what was built: %w", err)
	}
	fmt.Println("deleted the node images that were built here, and what was in", o.Home)
	return nil
}
