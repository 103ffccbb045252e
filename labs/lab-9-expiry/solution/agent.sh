#!/bin/sh
# Lists the services of the pod's own namespace about once a second until it gets SIGTERM.
#
#   stdout        the HTTP status code of each answer, one a line
#   exit status   0 after SIGTERM

trap 'exit 0' TERM

account=/var/run/secrets/kubernetes.io/serviceaccount
namespace=$(cat "$account/namespace") || exit 1

# The token is read for each call: the file is replaced long before the token in it ends.
call() {
  token=$(cat "$account/token") || return
  printf 'Authorization: Bearer %s\n' "$token" |
    curl --silent --show-error --max-time 5 \
      --cacert "$account/ca.crt" \
      --header @- \
      --output /dev/null \
      --write-out '%{http_code}\n' \
      "https://kubernetes.default.svc/api/v1/namespaces/$namespace/services"
}

# A shell runs a trap when the command that it waits for has ended, and at once while it waits for a job.
while :; do
  call
  sleep 1 &
  wait
done
