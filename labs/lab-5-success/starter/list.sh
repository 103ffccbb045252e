#!/bin/sh
# Prints the names of the services in the pod's own namespace, one a line.
# Exit status: 0 allowed (2xx), 3 forbidden (403), 4 not authenticated (401), 1 anything else.

# TODO: make the call of lab 3 once more. On success, print the name of each service instead of the status code.
echo "list.sh is not written yet" >&2
exit 1
