#!/bin/sh
# Installs rolecall in this folder. Nothing runs before all of it has arrived.
main() {
	url='{{.URL}}'
	system=$(uname -s)
	machine=$(uname -m)
	case $system in
	Linux) ;;
	Darwin) fail 'This script is for Linux. On macOS, build rolecall from its sources, then run: ./rolecall bundle install' "$url" ;;
	*) fail 'This script is for Linux. On Windows, run it again inside WSL: https://learn.microsoft.com/windows/wsl/install' ;;
	esac
	case $machine in
	x86_64 | amd64) machine=amd64 ;;
	aarch64 | arm64) machine=arm64 ;;
	esac
	case $machine in
{{- range .Programs}}
	{{.Arch}}) digest={{.SHA256}} pieces='{{range $i, $p := .Pieces}}{{if $i}} {{end}}{{$p.Name}}{{end}}' ;;
{{- end}}
	*) fail "There is no rolecall for this machine (Linux on $machine) at $url. Ask for one that is built on such a machine." ;;
	esac

	if [ -d rolecall ]; then
		fail 'There is a folder with the name rolecall here. Go to another folder and run this again.'
	fi
	command -v sha256sum >/dev/null || fail 'This needs the command sha256sum. It is in the package coreutils.'
	if ! is rolecall "$digest"; then
		: >rolecall.part || fail 'Nothing can be written here. Go to another folder, such as your home directory, and run this again.'
		for piece in $pieces; do
			echo "downloading $url/$piece"
			download "$url/$piece" >>rolecall.part || fail 'The download failed. Run this again.'
		done
		is rolecall.part "$digest" || fail 'What arrived is damaged. Run this again.'
		chmod +x rolecall.part && mv -f rolecall.part rolecall || exit 1
	fi
	./rolecall bundle install "$url" </dev/null || exit
	echo 'Run {{.Start}}'
}

fail() {
	echo "$*" >&2
	rm -f rolecall.part
	exit 1
}

is() {
	[ -f "$1" ] && [ "$(sha256sum <"$1")" = "$2  -" ]
}

download() {
	if command -v curl >/dev/null; then
		if [ -t 2 ]; then curl -f --progress-bar "$1"; else curl -fsS "$1"; fi
	elif command -v wget >/dev/null; then
		wget -q -O - "$1"
	else
		fail 'This needs the command curl or wget.'
	fi
}

main
