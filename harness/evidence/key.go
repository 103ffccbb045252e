package evidence

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Key signs bundles, or only verifies them where its private half is missing.
type Key struct {
	private ed25519.PrivateKey
	public  ed25519.PublicKey
}

// ID names a key: the digest of its public half.
func (k *Key) ID() string {
	sum := sha256.Sum256(k.public)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// The files of a key of our own in rolecall's home.
const (
	keyFile       = "evidence-key.pem"
	publicKeyFile = "evidence-key.pub.pem"
)

// IsKey tells whether a file in rolecall's home is one of a key's.
func IsKey(name string) bool { return name == keyFile || name == publicKeyFile }

// OwnKey is the key in rolecall's home, made at the first time. Beside it
// stands its public half, for those who verify elsewhere.
func OwnKey(home string) (*Key, error) {
	file := filepath.Join(home, keyFile)
	key, err := ReadKey(file)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeKey(home, file); err != nil {
			return nil, fmt.Errorf("making a key to sign evidence with: %w; name one with KEY=file", err)
		}
		key, err = ReadKey(file)
	}
	return key, err
}

// makeKey stores a new key, unless another command was faster.
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
	return os.WriteFile(filepath.Join(home, publicKeyFile), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: shown}), 0o644)
}

// ReadKey reads an ed25519 key in PEM: a private one (PKCS#8) or a public one
// (PKIX), as openssl writes them.
func ReadKey(file string) (*Key, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the key: %w; name one with KEY=file", err)
	}
	if block, _ := pem.Decode(text); block != nil {
		if parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
			if private, ok := parsed.(ed25519.PrivateKey); ok {
				return &Key{private, private.Public().(ed25519.PublicKey)}, nil
			}
		}
		if parsed, err := x509.ParsePKIXPublicKey(block.Bytes); err == nil {
			if public, ok := parsed.(ed25519.PublicKey); ok {
				return &Key{public: public}, nil
			}
		}
	}
	return nil, fmt.Errorf("reading the key %s: it holds no ed25519 key in PEM; make one with openssl genpkey -algorithm ed25519 -out %s", file, file)
}
