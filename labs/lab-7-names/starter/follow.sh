#!/bin/sh
# Prints the value of the key mode of the ConfigMap settings, and again each time
# it changes, until it gets SIGTERM.
account=/var/run/secrets/kubernetes.io/serviceaccount
configmaps=https://kubernetes.default.svc/api/v1/namespaces/$(cat $account/namespace)/configmaps

# TODO: ask for settings alone, and go on reading: a watch tells of each change in a line.
curl --silent --show-error --cacert $account/ca.crt \
	--header "Authorization: Bearer $(cat $account/token)" \
	"$configmaps"
