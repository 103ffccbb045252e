package onefile

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/renameio/v2/maybe"
	"github.com/klauspost/compress/zstd"
)

// Pack writes into this package's source folder what a release for linux/arch
// carries: the archive of the files, given by their paths, and its digest. The
// same files give the same bytes.
func Pack(folder, arch string, files map[string]string) error {
	base := filepath.Join(folder, "carried_linux_"+arch)
	out, err := os.Create(base + ".tar.zst")
	if err != nil {
		return fmt.Errorf("packing for linux/%s: %w", arch, err)
	}
	defer out.Close()
	sum := sha256.New()
	if err := pack(io.MultiWriter(out, sum), files); err != nil {
		return fmt.Errorf("packing for linux/%s: %w", arch, err)
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("packing for linux/%s: %w", arch, err)
	}
	if err := maybe.WriteFile(base+".sha256", []byte(hex.EncodeToString(sum.Sum(nil))), 0o644); err != nil {
		return fmt.Errorf("packing for linux/%s: %w", arch, err)
	}
	return nil
}

func pack(to io.Writer, files map[string]string) error {
	packed, err := zstd.NewWriter(to, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithWindowSize(64<<20), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	archive := tar.NewWriter(packed)
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
	if err := archive.Close(); err != nil {
		return err
	}
	return packed.Close()
}
