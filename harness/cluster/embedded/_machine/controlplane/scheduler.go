package controlplane

import (
	"context"
	"fmt"

	"k8s.io/client-go/tools/cache"
	"k8s.io/kubernetes/cmd/kube-scheduler/app"
	"k8s.io/kubernetes/cmd/kube-scheduler/app/options"
)

// runScheduler runs the default scheduler until ctx is done. It calls synced
// when it knows the cluster's objects.
func runScheduler(ctx context.Context, p *pki, synced func()) error {
	options := options.NewOptions()
	flags := []string{
		"--kubeconfig=" + p.file("scheduler.kubeconfig"),
		"--secure-port=0",
		"--leader-elect=false",
		"--kube-api-qps=1000",
		"--kube-api-burst=1000",
	}
	if err := parse(*options.Flags, flags); err != nil {
		return fmt.Errorf("setting kube-scheduler's flags: %w", err)
	}
	name, err := cache.NewInformerName("kube-scheduler")
	if err != nil {
		return fmt.Errorf("naming kube-scheduler's informers: %w", err)
	}
	options.InformerName = name
	config, scheduler, err := app.Setup(ctx, options)
	if err != nil {
		return fmt.Errorf("configuring kube-scheduler: %w", err)
	}
	config.EventBroadcaster.StartRecordingToSink(ctx.Done())
	defer config.EventBroadcaster.Shutdown()
	config.InformerFactory.Start(ctx.Done())
	config.DynInformerFactory.Start(ctx.Done())
	config.InformerFactory.WaitForCacheSync(ctx.Done())
	config.DynInformerFactory.WaitForCacheSync(ctx.Done())
	if err := scheduler.WaitForHandlersSync(ctx); err != nil {
		return fmt.Errorf("synchronizing kube-scheduler: %w", err)
	}
	synced()
	scheduler.Run(ctx)
	return nil
}
