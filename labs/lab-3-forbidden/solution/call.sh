#!/bin/sh
# Lists the services of the pod's own namespace, and says how the API server answered.
#
#   stdout        the HTTP status code, on a line of its own
#   stderr        the body of the answer, or why there was none
#   exit status   0 allowed (2xx), 3 forbidden (403), 4 not authenticated (401), 1 anything else

account=/var/run/secrets/kubernetes.io/serviceaccount
token=$(cat "$account/token") || exit 1
namespace=$(cat "$account/namespace") || exit 1
newline='
'

# The header goes to curl through a pipe: an argument could be read by every process that may list this one.
# curl writes the body and then, on a line of its own, the status code. It fails, and says why on stderr,
# only if there was no answer from a server that ca.crt vouches for.
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
