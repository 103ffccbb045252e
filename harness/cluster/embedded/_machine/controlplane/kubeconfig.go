package controlplane

import (
	"fmt"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// kubeconfig returns the file that makes kubectl and its like the client that
// config is. user is what the user is called in it.
func kubeconfig(config *rest.Config, user string) ([]byte, error) {
	const cluster = "kubernetes"
	context := user + "@" + cluster
	file := api.NewConfig()
	file.Clusters[cluster] = &api.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	file.AuthInfos[user] = &api.AuthInfo{ClientCertificateData: config.CertData, ClientKeyData: config.KeyData}
	file.Contexts[context] = &api.Context{Cluster: cluster, AuthInfo: user}
	file.CurrentContext = context
	content, err := clientcmd.Write(*file)
	if err != nil {
		return nil, fmt.Errorf("encoding the kubeconfig of %s: %w", user, err)
	}
	return content, nil
}
