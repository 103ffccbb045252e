// Package manifests embeds the files that a lab cluster, and learners'
// programs, are made with.
package manifests

import _ "embed"

// Kind is the kind cluster's configuration, a text/template over its node
// image, the folder with the audit policy, and the host's cgroup version.
//
//go:embed kind.yaml
var Kind string

// AuditPolicy says what the API server records.
//
//go:embed audit-policy.yaml
var AuditPolicy string

// Authentication is the API server's AuthenticationConfiguration in a new cluster.
//
//go:embed authentication.yaml
var Authentication string

// Issuer are the objects of a cluster of ours that an issuer of OpenID Connect
// tokens needs: where its documents are, and who may read them.
//
//go:embed issuer.yaml
var Issuer string

// IssuerCA is the certificate of the authority that vouches for the server of an
// issuer's documents, in every cluster of ours. Its key is nowhere any more.
// IssuerCertificate and IssuerKey are that server's, for the name localhost. None
// of it protects anything: an issuer's tokens are signed with keys that are made
// for one run. TestIssuer makes all three anew.
var (
	//go:embed issuer-ca.crt
	IssuerCA string
	//go:embed issuer.crt
	IssuerCertificate string
	//go:embed issuer.key
	IssuerKey string
)

// CoreDNS is kubeadm's patch of the cluster's DNS server.
//
//go:embed coredns.yaml
var CoreDNS string

// Scene is the walkthrough's namespaces and the objects in them, a
// text/template over the namespaces' names by role.
//
//go:embed scene.yaml
var Scene string

// Probe is a pod that ends well as soon as a lab's calls would get through, a
// text/template over its Namespace and Image.
//
//go:embed probe.yaml
var Probe string

// ProgramMod and ProgramSum are the go.mod and go.sum that learners' Go
// programs are compiled with.
var (
	//go:embed program.mod
	ProgramMod string
	//go:embed program.sum
	ProgramSum string
)
