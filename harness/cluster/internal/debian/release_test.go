package debian

import (
	"bytes"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/stretchr/testify/require"

	"rolecall/harness/download"
)

func signer(t *testing.T) *openpgp.Entity {
	t.Helper()
	key, err := openpgp.NewEntity("Test Archive", "", "test@example.org", nil)
	require.NoError(t, err)
	return key
}

func signed(t *testing.T, text string, by *openpgp.Entity) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := clearsign.Encode(&b, by.PrivateKey, nil)
	require.NoError(t, err)
	_, err = w.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

const releaseText = "Origin: Debian\nCodename: bookworm\nSHA256:\n " +
	digest + " 17 main/binary-amd64/Packages.xz\n " + digest + " 99999999999 main/Contents-amd64\n"

func TestRelease(t *testing.T) {
	key := signer(t)
	rel, err := parseRelease(signed(t, releaseText, key), openpgp.EntityList{signer(t), key})
	require.NoError(t, err)
	require.Equal(t, "bookworm", rel.codename)
	require.Equal(t, map[string]download.File{"main/binary-amd64/Packages.xz": {Size: 17, SHA256: digest}}, rel.files)
}

func TestReleaseIsNotTrusted(t *testing.T) {
	key := signer(t)
	trusted := openpgp.EntityList{key}
	good := signed(t, releaseText, key)
	for name, c := range map[string]struct {
		text []byte
		says string
	}{
		"not signed":      {[]byte(releaseText), "not a signed message"},
		"by another key":  {signed(t, releaseText, signer(t)), "signature"},
		"changed":         {bytes.Replace(good, []byte(" 17 "), []byte(" 18 "), 1), "signature"},
		"lists nothing":   {signed(t, "Codename: bookworm\n", key), "lists no files"},
		"two paragraphs":  {signed(t, releaseText+"\n"+releaseText, key), "more than one paragraph"},
		"empty":           {nil, "not a signed message"},
		"size not sized":  {signed(t, strings.Replace(releaseText, " 17 ", " x ", 1), key), "size"},
		"digest is short": {signed(t, "SHA256:\n abc 17 main/binary-amd64/Packages.xz\n", key), "not a SHA-256"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseRelease(c.text, trusted)
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestTextBesideTheSignedOneIsNotRead(t *testing.T) {
	key := signer(t)
	rel, err := parseRelease(append([]byte("Codename: evil\n\n"), signed(t, releaseText, key)...), openpgp.EntityList{key})
	require.NoError(t, err)
	require.Equal(t, "bookworm", rel.codename)
}

func TestArchiveKeysAreDebians(t *testing.T) {
	keys, err := archiveKeys()
	require.NoError(t, err)
	var prints []string
	for _, k := range keys {
		prints = append(prints, strings.ToUpper(fingerprint(k)))
	}
	// As published on https://ftp-master.debian.org/keys.html for Debian 12.
	require.ElementsMatch(t, []string{
		"B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8",
		"05AB90340C0C5E797F44A8C8254CF3B5AEC0A8F0",
		"4D64FEC119C2029067D6E791F8D2585B8783D481",
	}, prints)
}

func fingerprint(e *openpgp.Entity) string {
	const hex = "0123456789abcdef"
	var s strings.Builder
	for _, b := range e.PrimaryKey.Fingerprint {
		s.WriteByte(hex[b>>4])
		s.WriteByte(hex[b&15])
	}
	return s.String()
}

func TestPackageIndex(t *testing.T) {
	xz, gzip := download.File{Size: 1}, download.File{Size: 2}
	rel := &release{files: map[string]download.File{"main/binary-arm64/Packages.xz": xz, "main/binary-amd64/Packages.xz": xz, "main/binary-amd64/Packages.gz": gzip}}
	for folder, want := range map[string]string{"main/binary-amd64/": "Packages.gz", "main/binary-arm64/": "Packages.xz"} {
		name, file, err := rel.index(folder)
		require.NoError(t, err)
		require.Equal(t, folder+want, name)
		require.Equal(t, rel.files[name], file)
	}
	_, _, err := rel.index("main/binary-riscv64/")
	require.EqualError(t, err, "checking InRelease: it lists no main/binary-riscv64/Packages.gz or .xz")
}
