package onefile

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/google/renameio/v2/maybe"

	"rolecall/harness/next"
)

// Pack writes into this package's source folder what a release for linux/arch
// carries: the files, given by their paths, as an archive that zstd compresses
// at that level (1 to 19), and its digest. The same files give the same bytes.
// zstd's own program makes it a quarter smaller than any encoder in Go does.
func Pack(ctx context.Context, folder, arch string, level int, files map[string]string) error {
	var archive, packed, said bytes.Buffer
	if err := collect(&archive, files); err != nil {
		return fmt.Errorf("packing for linux/%s: %w", arch, err)
	}
	zstd := exec.CommandContext(ctx, "zstd", "--quiet", "--stdout", "--long=27", "-"+strconv.Itoa(level), "-T1")
	zstd.Stdin, zstd.Stdout, zstd.Stderr = &archive, &packed, &said
	err := zstd.Run()
	if errors.Is(err, exec.ErrNotFound) {
		return next.Errorf("install zstd", "packing for linux/%s: %w", arch, err)
	}
	if err != nil {
		return fmt.Errorf("packing for linux/%s: %w: %s", arch, err, said.Bytes())
	}
	sum := sha256.Sum256(packed.Bytes())
	base := filepath.Join(folder, "carried_linux_"+arch)
	err = errors.Join(
		maybe.WriteFile(base+".tar.zst", packed.Bytes(), 0o644),
		maybe.WriteFile(base+".sha256", []byte(hex.EncodeToString(sum[:])), 0o644),
	)
	if err != nil {
		return next.Errorf("free some disk space", "packing for linux/%s: %w", arch, err)
	}
	return nil
}

// collect writes the files into one archive, in the order of their names.
func collect(to io.Writer, files map[string]string) error {
	archive := tar.NewWriter(to)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		content, err := os.ReadFile(files[name])
		if err != nil {
			return err
		}
		mode := int64(0o755)
		if name == LabImage {
			mode = 0o644
		}
		if err := archive.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(content)), Format: tar.FormatUSTAR}); err != nil {
			return err
		}
		if _, err := archive.Write(content); err != nil {
			return err
		}
	}
	return archive.Close()
}
