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
	kubecontainer "k8s.io/kubernetes/pkg/kubelet/container"
	"k8s.io/kubernetes/pkg/volume"
	"k8s.io/kubernetes/pkg/volume/configmap"
	"k8s.io/kubernetes/pkg/volume/downwardapi"
	"k8s.io/kubernetes/pkg/volume/secret"
	volumeutil "k8s.io/kubernetes/pkg/volume/util"
	"k8s.io/utils/ptr"

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
		source := volume.ConfigMap
		content.Files, err = v.configMap(ctx, source.Name, source.Items, usual{source.DefaultMode, source.DefaultUser}, source.Optional)
	case volume.Secret != nil:
		source := volume.Secret
		content.Files, err = v.secret(ctx, source.SecretName, source.Items, usual{source.DefaultMode, source.DefaultUser}, source.Optional)
	case volume.DownwardAPI != nil:
		source := volume.DownwardAPI
		content.Files, err = v.downward(source.Items, usual{source.DefaultMode, source.DefaultUser})
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

// usual is whose a volume's files are and what may be done with them, unless an
// item says otherwise.
type usual struct {
	mode *int32
	user *int64
}

func (v volumes) configMap(ctx context.Context, name string, items []corev1.KeyToPath, usual usual, optional *bool) (map[string]sandbox.File, error) {
	object, err := v.objects.ConfigMap(ctx, v.pod.Namespace, name)
	if err := unlessOptional(err, optional); err != nil {
		return nil, err
	}
	if err != nil {
		object = &corev1.ConfigMap{}
	}
	return files(configmap.MakePayload(items, object, usual.mode, usual.user, ptr.Deref(optional, false)))
}

func (v volumes) secret(ctx context.Context, name string, items []corev1.KeyToPath, usual usual, optional *bool) (map[string]sandbox.File, error) {
	object, err := v.objects.Secret(ctx, v.pod.Namespace, name)
	if err := unlessOptional(err, optional); err != nil {
		return nil, err
	}
	if err != nil {
		object = &corev1.Secret{}
	}
	return files(secret.MakePayload(items, object, usual.mode, usual.user, ptr.Deref(optional, false)))
}

func (v volumes) downward(items []corev1.DownwardAPIVolumeFile, usual usual) (map[string]sandbox.File, error) {
	return files(downwardapi.CollectData(items, v.pod, allocatable{of: v.allocated}, usual.mode, usual.user))
}

// allocatable is all that the downward API asks of a kubelet's volume host.
type allocatable struct {
	volume.VolumeHost
	of corev1.ResourceList
}

// GetNodeAllocatable returns what a limit is that is not set.
func (a allocatable) GetNodeAllocatable() (corev1.ResourceList, error) { return a.of, nil }

// files hands a kubelet's files on to the sandbox.
func files(payload map[string]volumeutil.FileProjection, err error) (map[string]sandbox.File, error) {
	if err != nil {
		return nil, err
	}
	all := map[string]sandbox.File{}
	for name, file := range payload {
		all[name] = sandbox.File{Data: file.Data, Mode: fs.FileMode(file.Mode), User: ptr.Deref(file.FsUser, 0)}
	}
	return all, nil
}

// projected asks for all its sources at the same time. A later one wins over an
// earlier with the same path.
func (v volumes) projected(ctx context.Context, volume *corev1.ProjectedVolumeSource) (map[string]sandbox.File, error) {
	files := make([]map[string]sandbox.File, len(volume.Sources))
	failed := make([]error, len(volume.Sources))
	usual := usual{volume.DefaultMode, volume.DefaultUser}
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
func mountsOf(pod *corev1.Pod, c *corev1.Container, variables []kubecontainer.EnvVar) ([]sandbox.Mount, error) {
	writable := map[string]bool{}
	for _, volume := range pod.Spec.Volumes {
		writable[volume.Name] = volume.EmptyDir != nil
	}
	var mounts []sandbox.Mount
	for _, m := range c.VolumeMounts {
		below := m.SubPath
		if m.SubPathExpr != "" {
			var err error
			if below, err = kubecontainer.ExpandContainerVolumeMounts(m, variables); err != nil {
				return nil, err
			}
		}
		if path.IsAbs(below) || strings.HasPrefix(path.Clean(below), "..") {
			return nil, fmt.Errorf("failed to prepare subPath for volumeMount %q of container %q", m.Name, c.Name)
		}
		mounts = append(mounts, sandbox.Mount{Volume: m.Name, SubPath: below, Path: m.MountPath, ReadOnly: m.ReadOnly || !writable[m.Name]})
	}
	return mounts, nil
}
