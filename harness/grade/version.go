package grade

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
)

// release is the version of a release, which make dist sets; "" of any other
// build.
var release string

// Version names the checks that this program carries: a release by its version,
// and what somebody built from source by the digest of the program itself.
func Version() (string, error) {
	if release != "" {
		return release, nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("finding out rolecall's version: %w", err)
	}
	file, err := os.Open(self)
	if err != nil {
		return "", fmt.Errorf("finding out rolecall's version: %w", err)
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", fmt.Errorf("finding out rolecall's version: %w", err)
	}
	return "sha256-" + hex.EncodeToString(sum.Sum(nil))[:12], nil
}
