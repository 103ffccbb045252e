package evidence

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	informers "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"rolecall/harness"
	"rolecall/harness/next"
)

// behind bounds the wait for the watch to show a pod that is known to exist.
const behind = 10 * time.Second

// podLog writes down every pod of some namespaces.
type podLog struct {
	to         *lines
	namespaces []string
	end        chan struct{}
	ended      wait.Group

	mu   sync.Mutex
	seen map[string]bool // by UID
}

// Begin starts to keep every pod of some namespaces as the API server admitted
// it, and as it was when it went.
func (b *Bundle) Begin(ctx context.Context, client kubernetes.Interface, namespaces []string) error {
	p := &podLog{to: b.pods, namespaces: namespaces, end: make(chan struct{}), seen: map[string]bool{}}
	informer := informers.NewPodInformer(client, metav1.NamespaceAll, 0, nil)
	if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: p.keep, DeleteFunc: p.keep}); err != nil {
		return next.Errorf("make status", "watching the pods: %w", err)
	}
	p.ended.StartWithChannel(p.end, informer.Run)
	cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) // no pod may come and go before
	b.watching = p
	return nil
}

// End waits until the pods that verdicts cite have been seen, and stops keeping
// pods.
func (b *Bundle) End(ctx context.Context, labs []harness.LabResult) {
	p := b.watching
	_ = wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, behind, true, func(context.Context) (bool, error) {
		return p.have(labs), nil
	}) // Verify reports what is missing
	close(p.end)
	p.ended.Wait()
}

// keep writes a pod down.
func (p *podLog) keep(object any) {
	if gone, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = gone.Obj
	}
	pod, ok := object.(*corev1.Pod)
	if !ok || !slices.Contains(p.namespaces, pod.Namespace) {
		return
	}
	pod = pod.DeepCopy()
	pod.ManagedFields = nil
	if line, err := json.Marshal(pod); err == nil {
		_, _ = p.to.Write(append(line, '\n')) // Close reports it
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen[string(pod.UID)] = true
}

// have reports whether the pod of every request that is cited was seen.
func (p *podLog) have(labs []harness.LabResult) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, lab := range labs {
		for _, c := range lab.Checks {
			for _, e := range c.Evidence {
				if e.Request != nil && e.Request.PodUID != "" && !p.seen[e.Request.PodUID] {
					return false
				}
			}
		}
	}
	return true
}
