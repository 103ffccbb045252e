package main

import (
	"context"
	"errors"
	"os"

	"rolecall/harness/doctor"
)

// doctor says what this machine can do. Its exit status is 1 where something
// must be done first.
func (o *options) doctor(ctx context.Context) (int, error) {
	err := doctor.Run(ctx, os.Stdout, o.Home)
	if errors.Is(err, doctor.ErrNotReady) {
		return 1, nil
	}
	return 0, err
}
