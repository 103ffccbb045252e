// Package manifests embeds the Kubernetes objects and configuration files that
// a lab cluster is made of.
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

// CoreDNS is kubeadm's patch of the cluster's DNS server.
//
//go:embed coredns.yaml
var CoreDNS string

// Place are the lab's namespaces and what stands in them. HOME, ELSEWHERE and
// VIEWER stand for their names.
//
//go:embed place.yaml
var Place string

// Probe is a pod that ends well as soon as a lab's calls would get through.
//
//go:embed probe.yaml
var Probe string
