//go:build !onefile || !linux || !(amd64 || arm64)

package onefile

// Nothing is carried.
const archive, digest = "", ""
