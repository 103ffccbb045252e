#!/bin/sh
# Lists the services of the pod's own namespace, with the credential that Kubernetes mounted into the pod.

account=/var/run/secrets/kubernetes.io/serviceaccount

# TODO: this request names no account, and curl does not know the server's certificate authority.
# Send the token, verify the server with ca.crt, and ask for the services of the namespace that the
# third file in $account names.
curl --silent --show-error --max-time 10 https://kubernetes.default.svc/
