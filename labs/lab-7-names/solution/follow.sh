#!/bin/sh
# Prints the value of the key mode of the ConfigMap settings, and again each time
# it changes, until it gets SIGTERM.
account=/var/run/secrets/kubernetes.io/serviceaccount
configmaps=https://kubernetes.default.svc/api/v1/namespaces/$(cat $account/namespace)/configmaps

# The watch begins with the object as it is, and then tells of each change in a line.
watch() {
	curl --silent --show-error --no-buffer --cacert $account/ca.crt \
		--header "Authorization: Bearer $(cat $account/token)" \
		"$configmaps?watch=true&fieldSelector=metadata.name=settings"
}

# A watch ends now and then, and is begun again.
follow() {
	while true; do watch || sleep 1; done |
		while read -r event; do
			mode=$(printf '%s' "$event" | sed -n 's/.*"mode":"\([^"]*\)".*/\1/p')
			if [ -n "$mode" ] && [ "$mode" != "$last" ]; then
				echo "$mode"
				last=$mode
			fi
		done
}

# The shell sees to a signal while it waits, and not while it runs a command.
trap 'exit 0' TERM
follow &
wait
