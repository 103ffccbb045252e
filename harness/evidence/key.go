package evidence

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2/maybe"

	"rolecall/harness/next"
)

// Key signs bundles, or only verifies them where its private half is missing.
type Key struct {
	file    string
	private ed25519.PrivateKey
	public  ed25519.PublicKey
}

// ID names a key: the digest of its public half.
func (k *Key) ID() string {
	sum := sha256.Sum256(k.public)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// File is where the key was read from.
func (k *Key) File() string { return k.file }

// The files of a key of our own in rolecall's home.
const (
	keyFile       = "evidence-key.pem"
	publicKeyFile = "evidence-key.pub.pem"
)

// IsKey reports whether a file in rolecall's home is one of a key's.
func IsKey(name string) bool { return name == keyFile || name == publicKeyFile }

// OwnKey returns the key in rolecall's home, which it makes the first time. Its
// public half is beside it, for those who verify elsewhere.
func OwnKey(home string) (*Key, error) {
	file := filepath.Join(home, keyFile)
	key, err := ReadKey(file)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeKey(home, file); err != nil {
			return nil, next.Errorf("name one with KEY=file", "making a key to sign evidence with: %w", err)
		}
		key, err = ReadKey(file)
	}
	return key, err
}

// makeKey stores a new key, unless another command was faster. It links rather
// than renames: a key that is there already may have signed something.
func makeKey(home, file string) error {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	shown, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(home, ".key-") // readable by its owner alone
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	if err := errors.Join(pem.Encode(temp, &pem.Block{Type: "PRIVATE KEY", Bytes: secret}), temp.Sync(), temp.Close()); err != nil {
		return err
	}
	err = os.Link(temp.Name(), file)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return maybe.WriteFile(filepath.Join(home, publicKeyFile), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: shown}), 0o644)
}

// ReadKey reads an ed25519 key in PEM: a private one (PKCS#8) or a public one
// (PKIX), as openssl writes them.
func ReadKey(file string) (*Key, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, next.Errorf("name one with KEY=file", "reading the key: %w", err)
	}
	if block, _ := pem.Decode(text); block != nil {
		if parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
			if private, ok := parsed.(ed25519.PrivateKey); ok {
				return &Key{file, private, private.Public().(ed25519.PublicKey)}, nil
			}
		}
		if parsed, err := x509.ParsePKIXPublicKey(block.Bytes); err == nil {
			if public, ok := parsed.(ed25519.PublicKey); ok {
				return &Key{file: file, public: public}, nil
			}
		}
	}
	return nil, next.Errorf("openssl genpkey -algorithm ed25519 -out "+file, "reading the key %s: it holds no ed25519 key in PEM", file)
}
