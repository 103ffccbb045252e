package evidence

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"rolecall/harness"
)

// behind bounds the wait for a watch to show a pod that is known to be there.
const behind = 10 * time.Second

// Pods are being watched.
type Pods struct {
	factory informers.SharedInformerFactory
	end     chan struct{}

	mu   sync.Mutex
	seen map[string]bool // by UID
}

// WatchPods keeps every pod of some namespaces as the API server admitted it,
// and as it was when it went.
func (b *Bundle) WatchPods(ctx context.Context, client kubernetes.Interface, namespaces []string) (*Pods, error) {
	p := &Pods{factory: informers.NewSharedInformerFactory(client, 0), end: make(chan struct{}), seen: map[string]bool{}}
	keep := func(object any) {
		if gone, ok := object.(cache.DeletedFinalStateUnknown); ok {
			object = gone.Obj
		}
		pod, ok := object.(*corev1.Pod)
		if !ok || !slices.Contains(namespaces, pod.Namespace) {
			return
		}
		pod = pod.DeepCopy()
		pod.ManagedFields = nil
		if line, err := json.Marshal(pod); err == nil {
			_, _ = b.pods.Write(append(line, '\n')) // Close tells
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.seen[string(pod.UID)] = true
	}
	pods := p.factory.Core().V1().Pods().Informer()
	if _, err := pods.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: keep, DeleteFunc: keep}); err != nil {
		return nil, err
	}
	p.factory.Start(p.end)
	p.factory.WaitForCacheSync(ctx.Done()) // no pod may come and go before
	return p, nil
}

// Stop ends the watch when it has shown the pods that verdicts cite.
func (p *Pods) Stop(ctx context.Context, steps []harness.StepResult) {
	ctx, cancel := context.WithTimeout(ctx, behind)
	defer cancel()
	for !p.have(steps) && ctx.Err() == nil {
		time.Sleep(20 * time.Millisecond)
	}
	close(p.end)
	p.factory.Shutdown()
}

// have tells whether the pod of every request that is cited was seen.
func (p *Pods) have(steps []harness.StepResult) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, step := range steps {
		for _, c := range step.Checks {
			for _, e := range c.Evidence {
				if e.Request != nil && e.Request.PodUID != "" && !p.seen[e.Request.PodUID] {
					return false
				}
			}
		}
	}
	return true
}
