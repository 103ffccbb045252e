package intake

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
	"unicode"
)

// digest is that of what was handed in: an archive's bytes, or what a directory
// holds of labs. Of a directory without a reading it is that of its names. On
// the way it finds the digest of the labs' text. With a Refusal comes a digest,
// too.
func (h *handedIn) digest() (string, error) {
	if h.archive == nil && len(h.folders) == 0 {
		sum := sha256.New()
		for _, e := range h.entries {
			fmt.Fprintf(sum, "%q %d %q\n", e.name, e.size, e.odd)
		}
		return sumOf(sum), nil
	}
	labs, err := h.digestLabs()
	if h.archive == nil {
		return labs, err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(h.archive, 0, maxArchive)); err != nil {
		return "", notThere(h.archive.Name(), err)
	}
	return sumOf(sum), err
}

func (h *handedIn) digestLabs() (string, error) {
	slices.SortFunc(h.files, func(x, y placed) int { return cmp.Compare(x.to, y.to) })
	sum, text := sha256.New(), sha256.New()
	for _, folder := range h.folders {
		fmt.Fprintf(sum, "folder %q\n", folder)
	}
	room := h.labRoom()
	for _, file := range h.files {
		fmt.Fprintf(sum, "file %q %d %t\n", file.to, file.size, file.target != "")
		fmt.Fprintf(text, "%q\n", file.to)
		content := sha256.New()
		if err := file.content(&room, io.MultiWriter(content, unspaced{text})); err != nil {
			return sumOf(sum), err
		}
		sum.Write(content.Sum(nil))
	}
	h.text = sumOf(text)
	return sumOf(sum), nil
}

func sumOf(sum hash.Hash) string { return "sha256:" + hex.EncodeToString(sum.Sum(nil)) }

// unspaced passes on all but white space.
type unspaced struct{ io.Writer }

func (u unspaced) Write(p []byte) (int, error) {
	black := bytes.Map(func(r rune) rune {
		if unicode.IsSpace(r) || strings.ContainsRune("\ufeff", r) {
			return -1
		}
		return r
	}, p)
	if _, err := u.Writer.Write(black); err != nil {
		return 0, err
	}
	return len(p), nil
}
