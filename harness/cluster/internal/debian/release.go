package debian

import (
	"bytes"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"

	"rolecall/harness/download"
)

const (
	maxRelease = 4 << 20 // bytes of an InRelease file; real ones have 150 KB
	maxFile    = 4 << 30 // bytes of any other file; the largest packages have 1.5 GB
)

// keyFiles are the public keys that sign the suite, as in Debian's package
// debian-archive-keyring.
//
//go:embed keys/*.asc
var keyFiles embed.FS

func archiveKeys() (openpgp.EntityList, error) {
	files, err := keyFiles.ReadDir("keys")
	if err != nil {
		return nil, err
	}
	var all openpgp.EntityList
	for _, f := range files {
		b, err := keyFiles.ReadFile("keys/" + f.Name())
		if err != nil {
			return nil, err
		}
		keys, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(b))
		if err != nil {
			return nil, fmt.Errorf("reading the archive key %s: %w", f.Name(), err)
		}
		all = append(all, keys...)
	}
	return all, nil
}

// release is what a suite's signed InRelease file says.
type release struct {
	codename string
	files    map[string]download.File // main/binary-*/… by path below the suite's folder
}

// parseRelease reads an InRelease file after checking that one of keys signed
// it. Only the signed text is read.
func parseRelease(signed []byte, keys openpgp.KeyRing) (*release, error) {
	block, _ := clearsign.Decode(signed)
	if block == nil {
		return nil, errors.New("checking InRelease: it is not a signed message")
	}
	if _, err := block.VerifySignature(keys, nil); err != nil {
		return nil, fmt.Errorf("checking InRelease's signature against Debian's archive keys: %w", err)
	}

	var rel *release
	err := paragraphs(bytes.NewReader(block.Plaintext), func(p paragraph) error {
		if rel != nil {
			return errors.New("it holds more than one paragraph")
		}
		rel = &release{codename: p["Codename"], files: map[string]download.File{}}
		for line := range strings.Lines(p["SHA256"]) {
			if f := strings.Fields(line); len(f) == 3 && strings.HasPrefix(f[2], "main/binary-") {
				want, err := newFile(f[1], f[0])
				if err != nil {
					return err
				}
				rel.files[f[2]] = want
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading InRelease: %w", err)
	}
	if rel == nil || len(rel.files) == 0 {
		return nil, errors.New("reading InRelease: it lists no files")
	}
	return rel, nil
}

// newFile checks the two fields that describe a file. The digest becomes part
// of paths, so it must be one.
func newFile(size, sha256 string) (download.File, error) {
	n, err := strconv.ParseInt(size, 10, 64)
	if err != nil || n < 0 || n > maxFile {
		return download.File{}, fmt.Errorf("%.40q is not the size of a file below %d bytes", size, maxFile)
	}
	sha256 = strings.ToLower(sha256)
	if b, err := hex.DecodeString(sha256); err != nil || len(b) != 32 {
		return download.File{}, fmt.Errorf("%.80q is not a SHA-256 digest", sha256)
	}
	return download.File{Size: n, SHA256: sha256}, nil
}

// index is the package index in a folder of the suite. A large one is packed by
// gzip, too, which is unpacked in a twentieth of the time that xz takes.
func (r *release) index(folder string) (name string, file download.File, err error) {
	for _, name := range []string{folder + "Packages.gz", folder + "Packages.xz"} {
		if file, listed := r.files[name]; listed {
			return name, file, nil
		}
	}
	return "", file, fmt.Errorf("checking InRelease: it lists no %sPackages.gz or .xz", folder)
}
