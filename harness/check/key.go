package check

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// Bounds of a private key: an RSA key of 8192 bits, the largest that Go's TLS
// takes, has less than 7 KB in PEM.
const (
	maxKey     = 8 << 10 // bytes of the file
	minRSABits = 2048
	maxRSABits = 8192
)

// Key is a private key of a learner's.
type Key interface {
	crypto.Signer
	// Equal reports whether another key is the same.
	Equal(crypto.PrivateKey) bool
}

// PrivateKey reads a file of the learner's that holds one private key in PEM:
// RSA, ECDSA or Ed25519, in PKCS#8, PKCS#1 or SEC 1. What is wrong is a *Failure.
func (e *Env) PrivateKey(file string) (Key, error) {
	text, err := e.Submission.Text(file)
	if err != nil {
		if failure, learners := AsFailure(err); learners && failure.Got == "binary data" {
			failure.Hint = "Write the key as PEM, which is text: with openssl, -outform PEM."
		}
		return nil, err
	}
	fail := func(got, hint string) error {
		return e.Submission.Explain(&Failure{Want: "one private key in PEM in " + file, Got: got, Hint: hint, Position: Position{File: file}}, file)
	}
	if len(text) > maxKey {
		return nil, fail(fmt.Sprintf("%d bytes", len(text)), fmt.Sprintf("A key has %d bytes at most, and the file nothing but the key.", maxKey))
	}
	block, got, hint := keyBlock(text)
	if block == nil {
		return nil, fail(got, hint)
	}
	key, err := parseKey(block)
	if err != nil {
		return nil, fail("a block "+block.Type+" that does not hold such a key: "+Printable(err.Error(), 200), "Make the key anew; it has to be copied whole, from the line BEGIN to the line END.")
	}
	if got, hint := unfitKey(key); got != "" {
		return nil, fail(got, hint)
	}
	return key.(Key), nil
}

// foreign are the blocks of PEM that people take for a private key, and what to
// do about each.
var foreign = map[string]string{
	"PUBLIC KEY":              "That is the other half. Hand in the private key, from which the public one can be made.",
	"RSA PUBLIC KEY":          "That is the other half. Hand in the private key, from which the public one can be made.",
	"CERTIFICATE":             "A certificate holds the public key only. Hand in the private key that it goes with.",
	"CERTIFICATE REQUEST":     "The request was made with the private key, and does not hold it. Hand in that key.",
	"NEW CERTIFICATE REQUEST": "The request was made with the private key, and does not hold it. Hand in that key.",
	"OPENSSH PRIVATE KEY":     "That is SSH's own form. Make the key with openssl, for example: openssl genpkey -algorithm ed25519",
	"ENCRYPTED PRIVATE KEY":   "Nobody can be asked for its password here. Leave the encryption out; a key for a lab protects nothing.",
}

// keyBlock is the one block of a PEM file that holds a private key, or what was
// found instead and what to do about it.
func keyBlock(text []byte) (key *pem.Block, got, hint string) {
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		switch {
		case block.Type == "EC PARAMETERS": // as openssl ecparam writes before the key
			continue
		case foreign[block.Type] != "":
			return nil, "a block " + block.Type, foreign[block.Type]
		case strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED"):
			return nil, "an encrypted key", foreign["ENCRYPTED PRIVATE KEY"]
		case !strings.HasSuffix(block.Type, "PRIVATE KEY"):
			return nil, "a block " + Printable(block.Type, 60), "Hand in a private key; its PEM begins with a line such as BEGIN PRIVATE KEY."
		case key != nil:
			return nil, "two private keys", "Keep the one that the request was made with."
		}
		key = block
	}
	if key == nil {
		return nil, "no block of PEM", "A key in PEM begins with a line that says BEGIN PRIVATE KEY between dashes, and ends with one that says END; both belong to it."
	}
	return key, "", ""
}

// parseKey reads a key in whichever of its forms; some programs name the wrong
// one.
func parseKey(block *pem.Block) (crypto.PrivateKey, error) {
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err == nil {
		return key, nil
	}
	if rsa, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return rsa, nil
	}
	if ec, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		return ec, nil
	}
	if strings.Contains(err.Error(), "use ParsePKCS1PrivateKey") || strings.Contains(err.Error(), "use ParseECPrivateKey") {
		err = errors.New("it is damaged")
	}
	return nil, err
}

// unfitKey says of a key with which no certificate can be used in TLS what it is,
// and what to do about it.
func unfitKey(key crypto.PrivateKey) (got, hint string) {
	switch key := key.(type) {
	case *rsa.PrivateKey:
		if bits := key.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return fmt.Sprintf("an RSA key of %d bits", bits), fmt.Sprintf("Make one of %d to %d bits, or one of another kind: openssl genpkey -algorithm ed25519", minRSABits, maxRSABits)
		}
	case *ecdsa.PrivateKey:
		if bits := key.Curve.Params().BitSize; bits < 256 {
			return fmt.Sprintf("an ECDSA key of %d bits", bits), "TLS has the curves P-256, P-384 and P-521: choose one of them."
		}
	case ed25519.PrivateKey:
	default:
		return "a key of another kind", "Make one of the kinds that TLS clients can have: RSA, ECDSA or Ed25519."
	}
	return "", ""
}
