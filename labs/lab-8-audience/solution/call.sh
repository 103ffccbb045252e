#!/bin/sh
# Shows the API server the token that is meant for vault, and says how it answered.
#
#   stdout        the HTTP status code, on a line of its own
#   stderr        the body of the answer, or why there was none
#   exit status   0 allowed (2xx), 3 forbidden (403), 4 not authenticated (401), 1 anything else

account=/var/run/secrets/kubernetes.io/serviceaccount
token=$(cat /var/run/secrets/vault/token) || exit 1
namespace=$(cat "$account/namespace") || exit 1
newline='
'

answer=$(
  printf 'Authorization: Bearer %s\n' "$token" |
    curl --silent --show-error --max-time 10 \
      --cacert "$account/ca.crt" \
      --header @- \
      --write-out '\n%{http_code}' \
      "https://kubernetes.default.svc/api/v1/namespaces/$namespace/services"
) || exit 1

code=${answer##*"$newline"}
body=${answer%"$newline"*}

printf '%s\n' "$code"
printf '%s\n' "$body" >&2

case $code in
  2??) exit 0 ;;
  403) exit 3 ;;
  401) exit 4 ;;
  *) exit 1 ;;
esac
