package node

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/kubernetes/pkg/apis/core/v1/helper"
	"k8s.io/kubernetes/pkg/kubelet/envvars"
)

// serviceVariables are the variables that name a namespace's services, and
// always those of the API server.
func serviceVariables(services corelisters.ServiceLister, namespace string, links bool) (map[string]string, error) {
	all, err := services.List(labels.Everything())
	if err != nil {
		return nil, err
	}
	chosen := map[string]*corev1.Service{}
	for _, service := range all {
		if !helper.IsServiceIPSet(service) {
			continue
		}
		isServer := service.Namespace == metav1.NamespaceDefault && service.Name == "kubernetes"
		if _, known := chosen[service.Name]; isServer && !known || service.Namespace == namespace && links {
			chosen[service.Name] = service
		}
	}
	list := make([]*corev1.Service, 0, len(chosen))
	for _, service := range chosen {
		list = append(list, service)
	}
	variables := map[string]string{}
	for _, variable := range envvars.FromServices(list) {
		variables[variable.Name] = variable.Value
	}
	return variables, nil
}
