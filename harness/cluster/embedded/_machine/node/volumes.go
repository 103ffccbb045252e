package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"

	"rolecall.build/machine/sandbox"
)

// volumes makes the contents of a pod's volumes.
type volumes struct {
	environment
	tokens tokens
}

// content is what a volume holds now. A missing object that is not optional is
// an error.
func (v volumes) content(ctx context.Context, volume *corev1.Volume) (sandbox.Volume, error) {
	content := sandbox.Volume{}
	var err error
	switch {
	case volume.EmptyDir != nil:
		content.SizeLimit = sizeOf(volume.EmptyDir)
	case volume.ConfigMap != nil:
		content.Files, err = v.configMap(ctx, volume.ConfigMap.Name, volume.ConfigMap.Items, mode(volume.ConfigMap.DefaultMode), volume.ConfigMap.Optional)
	case volume.Secret != nil:
		content.Files, err = v.secret(ctx, volume.Secret.SecretName, volume.Secret.Items, mode(volume.Secret.DefaultMode), volume.Secret.Optional)
	case volume.DownwardAPI != nil:
		content.Files, err = v.downward(volume.DownwardAPI.Items, mode(volume.DownwardAPI.DefaultMode))
	case volume.Projected != nil:
		content.Files, err = v.projected(ctx, volume.Projected)
	}
	if err != nil {
		return content, err
	}
	if whole := v.pod.Spec.SecurityContext; whole != nil && whole.FSGroup != nil {
		content.Group = *whole.FSGroup
		for name, file := range content.Files {
			file.Mode |= 0o440 // what a group is for
			content.Files[name] = file
		}
	}
	return content, nil
}

func mode(given *int32) fs.FileMode {
	if given == nil {
		return 0o644
	}
	return fs.FileMode(*given)
}

func (v volumes) configMap(ctx context.Context, name string, items []corev1.KeyToPath, mode fs.FileMode, optional *bool) (map[string]sandbox.File, error) {
	data := map[string][]byte{}
	object, err := v.objects.ConfigMap(ctx, v.pod.Namespace, name)
	if err := unlessOptional(err, optional); err != nil {
		return nil, err
	}
	if err == nil {
		maps.Copy(data, object.BinaryData)
		for key, value := range object.Data {
			data[key] = []byte(value)
		}
	}
	return chosen(data, items, mode, optional, "configmap references non-existent config key: %s")
}

func (v volumes) secret(ctx context.Context, name string, items []corev1.KeyToPath, mode fs.FileMode, optional *bool) (map[string]sandbox.File, error) {
	data := map[string][]byte{}
	object, err := v.objects.Secret(ctx, v.pod.Namespace, name)
	if err := unlessOptional(err, optional); err != nil {
		return nil, err
	}
	if err == nil {
		data = object.Data
	}
	return chosen(data, items, mode, optional, "references non-existent secret key: %s")
}

// chosen are the keys that a volume lists, or all of them.
func chosen(data map[string][]byte, items []corev1.KeyToPath, mode fs.FileMode, optional *bool, missing string) (map[string]sandbox.File, error) {
	files := map[string]sandbox.File{}
	if len(items) == 0 {
		for key, value := range data {
			files[key] = sandbox.File{Data: value, Mode: mode}
		}
		return files, nil
	}
	for _, item := range items {
		value, found := data[item.Key]
		switch {
		case !found && optional != nil && *optional:
			continue
		case !found:
			return nil, fmt.Errorf(missing, item.Key)
		}
		files[item.Path] = sandbox.File{Data: value, Mode: itemMode(item.Mode, mode)}
	}
	return files, nil
}

func itemMode(own *int32, usual fs.FileMode) fs.FileMode {
	if own != nil {
		return fs.FileMode(*own)
	}
	return usual
}

func (v volumes) downward(items []corev1.DownwardAPIVolumeFile, mode fs.FileMode) (map[string]sandbox.File, error) {
	files := map[string]sandbox.File{}
	var failed []error
	for _, item := range items {
		var value string
		var err error
		switch {
		case item.FieldRef != nil:
			value, err = v.field(item.FieldRef)
		case item.ResourceFieldRef != nil:
			value, err = v.resource(item.ResourceFieldRef, &corev1.Container{})
		}
		failed = append(failed, err)
		files[item.Path] = sandbox.File{Data: []byte(value), Mode: itemMode(item.Mode, mode)}
	}
	return files, errors.Join(failed...)
}

// projected asks for all its sources at the same time. A later one wins over an
// earlier with the same path.
func (v volumes) projected(ctx context.Context, volume *corev1.ProjectedVolumeSource) (map[string]sandbox.File, error) {
	files := make([]map[string]sandbox.File, len(volume.Sources))
	failed := make([]error, len(volume.Sources))
	usual := mode(volume.DefaultMode)
	var asked sync.WaitGroup
	for i, source := range volume.Sources {
		asked.Go(func() {
			switch {
			case source.ConfigMap != nil:
				files[i], failed[i] = v.configMap(ctx, source.ConfigMap.Name, source.ConfigMap.Items, usual, source.ConfigMap.Optional)
			case source.Secret != nil:
				files[i], failed[i] = v.secret(ctx, source.Secret.Name, source.Secret.Items, usual, source.Secret.Optional)
			case source.DownwardAPI != nil:
				files[i], failed[i] = v.downward(source.DownwardAPI.Items, usual)
			case source.ServiceAccountToken != nil:
				files[i], failed[i] = v.token(source.ServiceAccountToken, usual)
			}
		})
	}
	asked.Wait()
	all := map[string]sandbox.File{}
	for _, some := range files {
		maps.Copy(all, some)
	}
	return all, errors.Join(failed...)
}

// mountsOf are a container's mounts of its pod's volumes: read-only, as a
// kubelet makes them, unless they are emptyDirs.
func mountsOf(pod *corev1.Pod, c *corev1.Container, variables map[string]string) ([]sandbox.Mount, error) {
	writable := map[string]bool{}
	for _, volume := range pod.Spec.Volumes {
		writable[volume.Name] = volume.EmptyDir != nil
	}
	var mounts []sandbox.Mount
	for _, m := range c.VolumeMounts {
		below := m.SubPath
		if m.SubPathExpr != "" {
			below = expansion.Expand(m.SubPathExpr, func(name string) string { return variables[name] })
		}
		if path.IsAbs(below) || strings.HasPrefix(path.Clean(below), "..") {
			return nil, fmt.Errorf("failed to prepare subPath for volumeMount %q of container %q", m.Name, c.Name)
		}
		mounts = append(mounts, sandbox.Mount{Volume: m.Name, SubPath: below, Path: m.MountPath, ReadOnly: m.ReadOnly || !writable[m.Name]})
	}
	return mounts, nil
}
