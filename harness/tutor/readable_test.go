package tutor

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/rand"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/harness/e2e/corpus"
	"rolecall/labs"
)

// TestWhatATutorNeedsStays: the messages of the course's wrong submissions, and
// what programs say when something is wrong, are told as they are.
func TestWhatATutorNeedsStays(t *testing.T) {
	course := labs.Course()
	all, err := course.Select("all")
	require.NoError(t, err)
	texts := []string{
		"curl: (60) SSL certificate problem: unable to get local issuer certificate",
		"curl: (6) Could not resolve host: kubernetes.default.svc",
		"curl: (28) Connection timed out after 10001 milliseconds",
		"call.sh: line 3: syntax error: unterminated quoted string",
		"call.sh: line 12: jq: not found",
		"cat: can't open '/var/run/secrets/kubernetes.io/serviceaccount/tokn': No such file or directory",
		"2026/01/02 03:04:05 Get \"https://kubernetes.default.svc/api/v1/namespaces/default/services\": tls: failed to verify certificate: x509: certificate signed by unknown authority",
		"panic: runtime error: invalid memory address or nil pointer dereference",
		"{\n  \"kind\": \"Status\",\n  \"apiVersion\": \"v1\",\n  \"metadata\": {},\n  \"status\": \"Failure\",\n  \"message\": \"services is forbidden: User \\\"system:serviceaccount:default:default\\\" cannot list resource \\\"services\\\" in API group \\\"\\\" in the namespace \\\"default\\\"\",\n  \"reason\": \"Forbidden\",\n  \"details\": {\n    \"kind\": \"services\"\n  },\n  \"code\": 403\n}\n",
		`{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}`,
		"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nX-Content-Type-Options: nosniff\r\nContent-Length: 335\r\n",
		"403\n", "200\nkubernetes\n", "kein Zugriff auf den Dienst, bitte prüfen", "сервис не найден", "サービスがありません",
		"https://10.96.0.1:443/api/v1/namespaces/default/services?limit=500",
		"RoleBinding default-view gives ClusterRole view to ServiceAccount default in default",
		`RBAC: allowed by RoleBinding "default-view/default" of ClusterRole "view" to ServiceAccount "default/default"`,
		`strict decoding error: unknown field "spec.containers[0].imagePullPolciy"`,
		"resources.limits.memory: 64Mi, cpu: 500m", "lab-4/rolebinding.yaml:7:3", "rbac.authorization.k8s.io/v1",
	}
	for _, lab := range all {
		cases, err := corpus.Cases(os.DirFS(filepath.Join("../..", course.Path)), course, lab, corpus.Wrong)
		require.NoError(t, err)
		for _, c := range cases {
			texts = append(texts, c.Wanted, c.Found, c.Hint)
		}
	}
	changed := 0
	for _, text := range texts {
		if told := readable(text); told != text {
			changed++
			t.Log(told)
		}
	}
	assert.LessOrEqual(t, changed, len(texts)/50, "of %d texts", len(texts))
	for _, text := range texts[:20] {
		assert.Equal(t, text, readable(text))
	}
}

// secret is something that must not be told, by what it is.
type secret struct{ what, text string }

// randomSecrets makes one of each kind.
func randomSecrets(r *rand.Rand) []secret {
	random := func(n int) []byte {
		bytes := make([]byte, n)
		r.Read(bytes)
		return bytes
	}
	letters := func(n int, from string) string {
		var b strings.Builder
		for range n {
			b.WriteByte(from[r.Intn(len(from))])
		}
		return b.String()
	}
	claims := fmt.Sprintf(`{"aud":["https://kubernetes.default.svc.cluster.local"],"exp":%d,"jti":"%x","sub":"system:serviceaccount:default:default"}`, r.Int31(), random(16))
	header := fmt.Sprintf(`{"alg":"RS256","kid":"%s"}`, base64.RawURLEncoding.EncodeToString(random(32)))
	raw := base64.RawURLEncoding
	private := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: random(138)})) // the size of one for P-256
	body := strings.Split(private, "-----")[2]
	jwt := raw.EncodeToString([]byte(header)) + "." + raw.EncodeToString([]byte(claims)) + "." + raw.EncodeToString(random(256))
	return []secret{
		{"a JWT", jwt},
		{"the end of a JWT", jwt[len(jwt)/2:]},
		{"a signature", raw.EncodeToString(random(256))},
		{"a PEM key", body},
		{"a PEM key as kubeconfig has it", base64.StdEncoding.EncodeToString([]byte(private))},
		{"a bootstrap token", letters(6, "abcdefghijklmnopqrstuvwxyz0123456789") + "." + letters(16, "abcdefghijklmnopqrstuvwxyz0123456789")},
		{"an opaque token", letters(43, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")},
		{"hexadecimal", hex.EncodeToString(random(32))},
	}
}

// pieces are a text cut into parts of a length.
func pieces(text string, length int) (all []string) {
	for len(text) > length {
		all, text = append(all, text[:length]), text[length:]
	}
	return append(all, text)
}

func each(text string, with func(byte) string) string {
	var b strings.Builder
	for i := range len(text) {
		b.WriteString(with(text[i]))
	}
	return b.String()
}

// encodings are ways to print a secret: the whole of it in another form, and the
// form cut up.
var encodings = map[string]func(string) string{
	"as it is":       func(s string) string { return s },
	"base64":         func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
	"base64 in JSON": func(s string) string { return base64.StdEncoding.EncodeToString([]byte(`{"token":"` + s + `"}`)) },
	"base64 twice": func(s string) string {
		return base64.URLEncoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString([]byte(s))))
	},
	"hexadecimal":     func(s string) string { return hex.EncodeToString([]byte(s)) },
	"percent-encoded": func(s string) string { return each(s, func(c byte) string { return fmt.Sprintf("%%%02X", c) }) },
	"query-escaped":   url.QueryEscape,
	"JSON escapes":    func(s string) string { return each(s, func(c byte) string { return fmt.Sprintf(`\u%04x`, c) }) },
	"C escapes":       func(s string) string { return each(s, func(c byte) string { return fmt.Sprintf(`\x%02x`, c) }) },
	"octal":           func(s string) string { return each(s, func(c byte) string { return fmt.Sprintf(`\%03o`, c) }) },
	"entities":        func(s string) string { return each(s, func(c byte) string { return fmt.Sprintf("&#%d;", c) }) },
	"numbers":         func(s string) string { return each(s, func(c byte) string { return fmt.Sprintf("%d ", c) }) },
	"bits":            func(s string) string { return each(s, func(c byte) string { return fmt.Sprintf("%08b ", c) }) },
	"backwards": func(s string) string {
		r := []byte(s)
		for i := range len(r) / 2 {
			r[i], r[len(r)-1-i] = r[len(r)-1-i], r[i]
		}
		return string(r)
	},
	"wide letters": func(s string) string {
		return each(s, func(c byte) string {
			if unicode.IsLetter(rune(c)) || unicode.IsDigit(rune(c)) {
				return string(rune(c) - '!' + '！')
			}
			return string(rune(c))
		})
	},
	"accents":  func(s string) string { return each(s, func(c byte) string { return string(rune(c)) + "\u0301" }) },
	"not seen": func(s string) string { return each(s, func(c byte) string { return string(rune(c)) + "\u200b" }) },
	"other capitals": func(s string) string {
		return each(s, func(c byte) string {
			if unicode.IsLower(rune(c)) {
				return strings.ToUpper(string(rune(c)))
			}
			return strings.ToLower(string(rune(c)))
		})
	},
}

// between is what stands between the pieces of a secret.
var between = []string{"\n", " ", "\n> ", `", "`, " + ", "-", ".", "/", ":", "|", "\\\n", "\r\n", "\t", "'\n'", "</td><td>", "]["}

// TestNoSecretIsTold prints secrets of all kinds in all forms, whole and in
// pieces of all lengths.
func TestNoSecretIsTold(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for range 2 {
		for _, s := range randomSecrets(r) {
			for how, encode := range encodings {
				whole := encode(s.text)
				forms := []string{whole, "Authorization: Bearer " + whole, `{"token": "` + whole + `"}`, "token: " + whole + "\nuser: a\n", "https://a.b/?token=" + whole, "export TOKEN='" + whole + "'", "the token is " + whole + " and so on"}
				for range 6 {
					if len(s.text) < 40 { // what is left of a few pieces may be words
						break
					}
					forms = append(forms, strings.Join(pieces(whole, 1+r.Intn(60)), between[r.Intn(len(between))]))
				}
				for _, form := range forms {
					tellsNot(t, s.what+", "+how, s.text, whole, form, readable(form))
				}
			}
		}
	}
}

// run is how many signs of a secret in a row tell it.
const run = 12

// tellsNot holds a text to tell no part of a secret, in the form in which it was
// printed or in its own.
func tellsNot(t testing.TB, what, secret, whole, form, told string) {
	t.Helper()
	plain := bare(told)
	for _, s := range []string{bare(secret), bare(whole)} {
		for i := 0; i+run <= len(s); i++ {
			if strings.Contains(plain, s[i:i+run]) {
				assert.Fail(t, "a secret is told", "%s: %q in %.300q\nprinted as %.300q", what, s[i:i+run], told, form)
				return
			}
		}
	}
}

// bare are a text's letters and digits.
func bare(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, fold(text))
}

// TestKubeconfigIsShownWithoutItsSecrets: what stands between two of them goes
// with them.
func TestKubeconfigIsShownWithoutItsSecrets(t *testing.T) {
	secrets := randomSecrets(rand.New(rand.NewSource(2)))
	config := fmt.Sprintf("apiVersion: v1\nkind: Config\nclusters:\n- name: lab\n  cluster: {server: \"https://127.0.0.1:6443\", certificate-authority-data: %s}\nusers:\n- name: admin\n  user:\n    token: %s\n    client-key-data: %s\n", secrets[2].text, secrets[0].text, secrets[4].text)
	told := readable(config)
	for _, s := range []secret{secrets[2], secrets[0], secrets[4]} {
		tellsNot(t, s.what, s.text, s.text, config, told)
	}
	assert.Equal(t, "apiVersion: v1\nkind: Config\nclusters:\n- name: lab\n  cluster: {server: \"https://127.0.0.1:6443\", certificate-authority-data: [hidden]\n", told)
}

func TestJoinKeepsWhatIsBetween(t *testing.T) {
	for text, want := range map[string]string{
		"":                                 "",
		"  a  b\n":                         "  a  b\n",
		"x9Yz8 a":                          "[hidden] a",
		"a x9Yz8  q7Rk2\n b":               "a [hidden]\n b",
		"x9Yz8 supercalifragilistic q7Rk2": "[hidden]",
		"(x9Yz8)":                          "([hidden])",
	} {
		assert.Equal(t, want, readable(text))
	}
	encoded, err := json.Marshal(readable("\xff\xfe x"))
	require.NoError(t, err)
	assert.True(t, json.Valid(encoded))
}
