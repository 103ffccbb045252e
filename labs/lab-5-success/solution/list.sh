#!/bin/sh
# Prints the names of the services in the pod's own namespace, one a line.
# Exit status: 0 allowed (2xx), 3 forbidden (403), 4 not authenticated (401), 1 anything else.

account=/var/run/secrets/kubernetes.io/serviceaccount
token=$(cat "$account/token") || exit 1
namespace=$(cat "$account/namespace") || exit 1
newline='
'

# Reads a Kubernetes list, as JSON, and prints each item's metadata.name.
# grep cuts the text into tokens: strings, braces, brackets, colons and commas. A quoted string is one token,
# whatever stands in it. awk keeps the path of keys down to the present place, and prints the string it finds
# at items[] > metadata > name. So the name of a port, an owner or a label is not taken for a service's.
names() {
  grep -oE '"([^"\\]|\\.)*"|[][{}:,]' | awk '
    /^[[{]$/  { path[++depth] = key; key = ""; next }
    /^[]}]$/  { depth--; key = ""; next }
    $0 == ":" { key = last; next }
    $0 == "," { key = ""; next }
    {
      if (depth == 4 && path[2] == "\"items\"" && path[4] == "\"metadata\"" && key == "\"name\"")
        print substr($0, 2, length($0) - 2)
      last = $0
    }'
}

answer=$(
  printf 'Authorization: Bearer %s\n' "$token" |
    curl --silent --show-error --max-time 10 \
      --cacert "$account/ca.crt" \
      --header @- \
      --write-out '\n%{http_code}' \
      "https://kubernetes.default.svc/api/v1/namespaces/$namespace/services?pretty=true"
) || exit 1

code=${answer##*"$newline"}
body=${answer%"$newline"*}

case $code in
  2??) printf '%s\n' "$body" | names ;;
  403) printf '%s\n' "$body" >&2; exit 3 ;;
  401) printf '%s\n' "$body" >&2; exit 4 ;;
  *) printf '%s\n' "$body" >&2; exit 1 ;;
esac
