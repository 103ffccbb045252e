package node

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	coreinformers "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// objects are the ConfigMaps and Secrets that this node's pods refer to. The
// API server lets a node read just those, and watch each by its name.
type objects struct {
	client  kubernetes.Interface
	changed func(objectKey) // called after each change of a watched object

	mu      sync.Mutex
	watched map[objectKey]*watched
}

// objectKey names an object; resource is configmaps or secrets.
type objectKey struct{ resource, namespace, name string }

// notFound is the kubelet's word, which names the object in the singular.
func (k objectKey) notFound() error {
	return apierrors.NewNotFound(schema.GroupResource{Resource: strings.TrimSuffix(k.resource, "s")}, k.name)
}

type watched struct {
	store  cache.Store
	synced func() bool
	stop   chan struct{}
	pods   int // that use it
}

func newObjects(client kubernetes.Interface, changed func(objectKey)) *objects {
	return &objects{client: client, changed: changed, watched: map[objectKey]*watched{}}
}

// ConfigMap is the newest that this node knows. Where none is, the error is NotFound.
func (o *objects) ConfigMap(ctx context.Context, namespace, name string) (*corev1.ConfigMap, error) {
	return object(o, objectKey{"configmaps", namespace, name}, func() (*corev1.ConfigMap, error) {
		return o.client.CoreV1().ConfigMaps(namespace).Get(ctx, name, metav1.GetOptions{})
	})
}

// Secret is the newest that this node knows. Where none is, the error is NotFound.
func (o *objects) Secret(ctx context.Context, namespace, name string) (*corev1.Secret, error) {
	return object(o, objectKey{"secrets", namespace, name}, func() (*corev1.Secret, error) {
		return o.client.CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
	})
}

// object takes it from its watch, or asks for it.
func object[T runtime.Object](o *objects, key objectKey, get func() (T, error)) (found T, err error) {
	o.mu.Lock()
	w := o.watched[key]
	o.mu.Unlock()
	if w != nil && w.synced() {
		item, exists, err := w.store.GetByKey(key.namespace + "/" + key.name)
		if err != nil || !exists {
			return found, errors.Join(err, key.notFound())
		}
		return item.(T), nil
	}
	// The node authorizer hears of a new pod a moment after its node.
	for wait := 5 * time.Millisecond; ; wait *= 2 {
		if found, err = get(); apierrors.IsNotFound(err) {
			return found, key.notFound()
		}
		if !apierrors.IsForbidden(err) || wait > time.Second {
			return found, err
		}
		time.Sleep(wait)
	}
}

// keepWatched is how long an object is watched after its last pod: the next one
// in the namespace wants the same certificate.
const keepWatched = time.Minute

// use keeps an object watched until release is called, and a while longer.
func (o *objects) use(key objectKey) (release func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	w := o.watched[key]
	if w == nil {
		w = o.watch(key)
		o.watched[key] = w
	}
	w.pods++
	return sync.OnceFunc(func() {
		time.AfterFunc(keepWatched, func() {
			o.mu.Lock()
			defer o.mu.Unlock()
			if w.pods--; w.pods == 0 {
				close(w.stop)
				delete(o.watched, key)
			}
		})
	})
}

func (o *objects) watch(key objectKey) *watched {
	inform := coreinformers.NewFilteredConfigMapInformer
	if key.resource == "secrets" {
		inform = coreinformers.NewFilteredSecretInformer
	}
	informer := inform(o.client, key.namespace, 0, cache.Indexers{}, func(options *metav1.ListOptions) {
		options.FieldSelector = fields.OneTermEqualSelector("metadata.name", key.name).String()
	})
	tell := func() { o.changed(key) }
	_, _ = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{ // it fails for an informer that has stopped
		AddFunc:    func(any) { tell() },
		UpdateFunc: func(any, any) { tell() },
		DeleteFunc: func(any) { tell() },
	})
	w := &watched{store: informer.GetStore(), synced: informer.HasSynced, stop: make(chan struct{})}
	go informer.Run(w.stop)
	return w
}
