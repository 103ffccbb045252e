package evidence

import (
	"context"
	"encoding/json"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// WatchPods keeps every pod of some namespaces as the API server admitted it,
// and as it was when it went, until stop is called.
func (b *Bundle) WatchPods(ctx context.Context, client kubernetes.Interface, namespaces []string) (stop func(), err error) {
	factory := informers.NewSharedInformerFactory(client, 0)
	keep := func(object any) {
		if gone, ok := object.(cache.DeletedFinalStateUnknown); ok {
			object = gone.Obj
		}
		if pod, ok := object.(*corev1.Pod); ok && slices.Contains(namespaces, pod.Namespace) {
			pod = pod.DeepCopy()
			pod.ManagedFields = nil
			if line, err := json.Marshal(pod); err == nil {
				_, _ = b.pods.Write(append(line, '\n')) // Close tells
			}
		}
	}
	pods := factory.Core().V1().Pods().Informer()
	if _, err := pods.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: keep, DeleteFunc: keep}); err != nil {
		return nil, err
	}
	end := make(chan struct{})
	factory.Start(end)
	factory.WaitForCacheSync(ctx.Done()) // no pod may come and go before
	return func() { close(end); factory.Shutdown() }, nil
}
