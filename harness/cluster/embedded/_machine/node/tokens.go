package node

import (
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	volumeutil "k8s.io/kubernetes/pkg/volume/util"

	"rolecall.build/machine/sandbox"
)

// tokens asks for service account tokens, keeps them, and asks again before
// they end: k8s.io/kubernetes/pkg/kubelet/token's manager, or a test's.
type tokens interface {
	GetServiceAccountToken(namespace, name string, request *authenticationv1.TokenRequest) (*authenticationv1.TokenRequest, error)
	DeleteServiceAccountToken(podUID types.UID)
}

// token is the pod's own token. Where all containers run as one user it is
// readable by that one only.
func (v volumes) token(source *corev1.ServiceAccountTokenProjection, usual usual) (map[string]sandbox.File, error) {
	var audiences []string
	if source.Audience != "" {
		audiences = []string{source.Audience}
	}
	answer, err := v.tokens.GetServiceAccountToken(v.pod.Namespace, v.pod.Spec.ServiceAccountName, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{
			Audiences:         audiences,
			ExpirationSeconds: source.ExpirationSeconds,
			BoundObjectRef:    &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: v.pod.Name, UID: v.pod.UID},
		},
	})
	if err != nil {
		return nil, err
	}
	file := volumeutil.FileProjection{Data: []byte(answer.Status.Token), Mode: *usual.mode, FsUser: volumeUser(v.pod)}
	if own := volumeutil.ResolvesFsUser(usual.user, source.User); own != nil {
		file.FsUser = own
	}
	if whole := v.pod.Spec.SecurityContext; file.FsUser != nil || whole != nil && whole.FSGroup != nil {
		file.Mode = 0o600
	}
	return files(map[string]volumeutil.FileProjection{source.Path: file}, nil)
}
