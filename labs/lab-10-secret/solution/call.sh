#!/bin/sh
# Lists the services of the namespace default with the token of a Secret, which is mounted as a folder.

secret=/var/run/secrets/legacy
token=$(cat "$secret/token") || exit 1
namespace=$(cat "$secret/namespace") || exit 1

printf 'Authorization: Bearer %s\n' "$token" |
  curl --silent --show-error --max-time 10 \
    --cacert "$secret/ca.crt" \
    --header @- \
    "https://kubernetes.default.svc/api/v1/namespaces/$namespace/services"
