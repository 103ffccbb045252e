package scene

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
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

// RenewAccounts replaces the account default of every namespace of the scene,
// with which the tokens that were issued for it before stop working, and deletes
// the namespaces' events.
func RenewAccounts(ctx context.Context, config *rest.Config, names cluster.Namespaces) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("connecting to the cluster: %w", err)
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, ns := range names.Names() {
		group.Go(func() error {
			if err := renewAccount(ctx, client, ns); err != nil {
				return next.Errorf("make down, then make up", "replacing the account default of %s: %w", ns, err)
			}
			if err := client.CoreV1().Events(ns).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
				return next.Errorf("make down, then make up", "deleting the events of %s: %w", ns, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// renewAccount deletes a namespace's account default and waits until Kubernetes
// has made another.
func renewAccount(ctx context.Context, client kubernetes.Interface, ns string) error {
	accounts := client.CoreV1().ServiceAccounts(ns)
	var old types.UID
	account, err := accounts.Get(ctx, "default", metav1.GetOptions{})
	switch {
	case err == nil:
		old = account.UID
		err = accounts.Delete(ctx, "default", metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(old))})
	case apierrors.IsNotFound(err): // somebody deleted it just now
		err = nil
	}
	if err != nil {
		return err
	}
	err = wait.PollUntilContextTimeout(ctx, 10*time.Millisecond, settleLimit, true, func(ctx context.Context) (bool, error) {
		account, err := accounts.Get(ctx, "default", metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		return err == nil && account.UID != old && account.DeletionTimestamp == nil, err
	})
	if wait.Interrupted(err) && ctx.Err() == nil {
		return errors.New("there is no new one after " + settleLimit.String())
	}
	return err
}
