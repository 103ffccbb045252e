//go:build !linux && !darwin

package doctor

import "errors"

// spaceAt knows no way here; rolecall is used from inside WSL on Windows.
func spaceAt(string) (Space, error) { return Space{}, errors.ErrUnsupported }
