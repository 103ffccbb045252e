#!/bin/sh
# Lists the services of the pod's own namespace, with the credential that Kubernetes mounted into the pod.

account=/var/run/secrets/kubernetes.io/serviceaccount
token=$(cat "$account/token") || exit 1
namespace=$(cat "$account/namespace") || exit 1

# The header goes to curl through a pipe: an argument could be read by every process that may list this one.
printf 'Authorization: Bearer %s\n' "$token" |
  curl --silent --show-error --max-time 10 \
    --cacert "$account/ca.crt" \
    --header @- \
    "https://kubernetes.default.svc/api/v1/namespaces/$namespace/services"
