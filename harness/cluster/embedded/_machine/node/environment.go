package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/kubernetes/pkg/api/v1/resource"
	podshelper "k8s.io/kubernetes/pkg/apis/core/pods"
	"k8s.io/kubernetes/pkg/fieldpath"
	kubecontainer "k8s.io/kubernetes/pkg/kubelet/container"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"
)

// named reads the ConfigMaps and Secrets that pods refer to.
type named interface {
	ConfigMap(ctx context.Context, namespace, name string) (*corev1.ConfigMap, error)
	Secret(ctx context.Context, namespace, name string) (*corev1.Secret, error)
}

// environment makes one container's variables.
type environment struct {
	objects   named
	pod       *corev1.Pod
	address   string // the pod's
	services  map[string]string
	allocated corev1.ResourceList // the node's capacity, for a limit that is not set
}

// variables are those that the pod declares, each with its final value, and
// the services' beneath them. An error names what is missing.
func (e environment) variables(ctx context.Context, c *corev1.Container) (map[string]string, error) {
	declared := map[string]string{}
	for _, from := range c.EnvFrom {
		values, err := e.source(ctx, from)
		if err != nil {
			return nil, err
		}
		for key, value := range values {
			declared[from.Prefix+key] = value
		}
	}
	lookup := expansion.MappingFuncFor(declared, e.services)
	for _, variable := range c.Env {
		value := expansion.Expand(variable.Value, lookup)
		if value == "" && variable.ValueFrom != nil {
			found, ok, err := e.value(ctx, c, variable.ValueFrom)
			if err != nil {
				return nil, err
			}
			if !ok {
				continue
			}
			value = found
		}
		declared[variable.Name] = value
	}
	all := maps.Clone(e.services)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, declared)
	return all, nil
}

// source is a whole ConfigMap or Secret.
func (e environment) source(ctx context.Context, from corev1.EnvFromSource) (map[string]string, error) {
	values := map[string]string{}
	switch {
	case from.ConfigMapRef != nil:
		object, err := e.objects.ConfigMap(ctx, e.pod.Namespace, from.ConfigMapRef.Name)
		if err != nil {
			return nil, unlessOptional(err, from.ConfigMapRef.Optional)
		}
		maps.Copy(values, object.Data)
	case from.SecretRef != nil:
		object, err := e.objects.Secret(ctx, e.pod.Namespace, from.SecretRef.Name)
		if err != nil {
			return nil, unlessOptional(err, from.SecretRef.Optional)
		}
		for key, value := range object.Data {
			values[key] = string(value)
		}
	}
	return values, nil
}

func unlessOptional(err error, optional *bool) error {
	if apierrors.IsNotFound(err) && optional != nil && *optional {
		return nil
	}
	return err
}

// value resolves one reference. Found is false where it is optional and not there.
func (e environment) value(ctx context.Context, c *corev1.Container, from *corev1.EnvVarSource) (value string, found bool, err error) {
	switch {
	case from.FieldRef != nil:
		value, err = e.field(from.FieldRef)
		return value, true, err
	case from.ResourceFieldRef != nil:
		value, err = e.resource(from.ResourceFieldRef, c)
		return value, true, err
	case from.ConfigMapKeyRef != nil:
		ref := from.ConfigMapKeyRef
		object, err := e.objects.ConfigMap(ctx, e.pod.Namespace, ref.Name)
		if err != nil {
			return "", false, unlessOptional(err, ref.Optional)
		}
		value, found = object.Data[ref.Key]
		if !found && (ref.Optional == nil || !*ref.Optional) {
			err = fmt.Errorf("couldn't find key %v in ConfigMap %v/%v", ref.Key, e.pod.Namespace, ref.Name)
		}
		return value, found, err
	case from.SecretKeyRef != nil:
		ref := from.SecretKeyRef
		object, err := e.objects.Secret(ctx, e.pod.Namespace, ref.Name)
		if err != nil {
			return "", false, unlessOptional(err, ref.Optional)
		}
		data, found := object.Data[ref.Key]
		if !found && (ref.Optional == nil || !*ref.Optional) {
			err = fmt.Errorf("couldn't find key %v in Secret %v/%v", ref.Key, e.pod.Namespace, ref.Name)
		}
		return string(data), found, err
	}
	return "", false, errors.New("this node cannot read a variable from a file" + kindCan)
}

// field is a field of the pod as its downward API shows it.
func (e environment) field(ref *corev1.ObjectFieldSelector) (string, error) {
	path, _, err := podshelper.ConvertDownwardAPIFieldLabel(ref.APIVersion, ref.FieldPath, "")
	if err != nil {
		return "", err
	}
	switch path {
	case "spec.nodeName":
		return e.pod.Spec.NodeName, nil
	case "spec.serviceAccountName":
		return e.pod.Spec.ServiceAccountName, nil
	case "status.hostIP", "status.hostIPs":
		return hostAddress, nil
	case "status.podIP", "status.podIPs":
		return e.address, nil
	}
	return fieldpath.ExtractFieldPathAsString(e.pod, path)
}

// resource is a request or limit; a limit that is not set is the node's.
func (e environment) resource(ref *corev1.ResourceFieldSelector, c *corev1.Container) (string, error) {
	pod := e.pod.DeepCopy()
	for i := range pod.Spec.InitContainers {
		resource.MergeContainerResourceLimits(&pod.Spec.InitContainers[i], e.allocated)
	}
	for i := range pod.Spec.Containers {
		resource.MergeContainerResourceLimits(&pod.Spec.Containers[i], e.allocated)
	}
	if ref.ContainerName != "" {
		return resource.ExtractResourceValueByContainerName(ref, pod, ref.ContainerName)
	}
	c = c.DeepCopy()
	resource.MergeContainerResourceLimits(c, e.allocated)
	return resource.ExtractContainerResourceValue(ref, c)
}

// assignments puts the image's variables below the pod's own, in a fixed order.
func assignments(image []string, own map[string]string, home, host string, tty bool) []string {
	all := map[string]string{"HOME": home, "HOSTNAME": host}
	if tty {
		all["TERM"] = "xterm"
	}
	for _, assignment := range image {
		if name, value, ok := strings.Cut(assignment, "="); ok {
			all[name] = value
		}
	}
	maps.Copy(all, own)
	lines := make([]string, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		lines = append(lines, name+"="+all[name])
	}
	return lines
}

// commandLine is what a container runs: the pod's command and args, with
// $(NAME) replaced, over the image's.
func commandLine(c *corev1.Container, image v1.Config, variables []kubecontainer.EnvVar) []string {
	command, args := kubecontainer.ExpandContainerCommandAndArgs(c, variables)
	if len(command) == 0 {
		command = image.Entrypoint
		if len(args) == 0 {
			args = image.Cmd
		}
	}
	return append(slices.Clone(command), args...)
}

// listed is a container's variables as a kubelet's functions take them.
func listed(variables map[string]string) (list []kubecontainer.EnvVar) {
	for name, value := range variables {
		list = append(list, kubecontainer.EnvVar{Name: name, Value: value})
	}
	return list
}
