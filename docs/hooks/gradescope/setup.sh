#!/usr/bin/env bash
# Runs once, as root, when Gradescope builds the autograder's image. Beside it
# in the zip: run_autograder, and rolecall's checkout as the folder rolecall.
set -euo pipefail

go=1.26.8

main() {
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ca-certificates curl make
	command -v go >/dev/null || install_go
	cd "${AUTOGRADER:-/autograder}/source/rolecall"
	make bin/rolecall
	# Builds what a cluster is made of, so that grading does not have to.
	bin/rolecall up --cluster embedded --name warm
	bin/rolecall down --cluster embedded --name warm
}

# install_go takes Go as its makers hand it out: https://go.dev/doc/install
install_go() {
	curl -fsSL --proto '=https' "https://go.dev/dl/go$go.linux-amd64.tar.gz" | tar -C /usr/local -xz
	ln -s /usr/local/go/bin/go /usr/local/bin/go
}

main
