//go:build onefile

package onefile

import _ "embed" // for what is carried

// What is carried was packed by harness/cluster/pack.
var (
	//go:embed carried_linux_arm64.tar.zst
	archive string
	//go:embed carried_linux_arm64.sha256
	digest string
)
