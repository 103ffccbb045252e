package bundle

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"
	"text/template"
	"time"

	"rolecall/harness/next"
)

// Script is the path under which a site serves what installs its bundle.
const Script = "/install.sh"

// ending is how long downloads may go on after a site was told to end.
const ending = 3 * time.Second

// Server serves a bundle to a room.
type Server struct {
	Folder *Folder
	Start  string            // the command that an attendee runs first
	Say    func(line string) // hears which machine has which file
}

// Listen opens the address, host:port or :port, that a Server will serve at.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	var open net.ListenConfig
	listener, err := open.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, next.Errorf("name another address with --listen, for example --listen :8081", "serving the bundle: %w", err)
	}
	return listener, nil
}

// Serve serves until ctx is done, which is no error.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serving the bundle: %w", err)
	case <-ctx.Done():
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), ending)
	defer cancel()
	if err := server.Shutdown(limited); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("serving the bundle: %w", err)
	}
	return server.Close()
}

// Handler answers requests for the script, the index and the files that the
// index names, and for nothing else.
func (s *Server) Handler() http.Handler {
	digests := map[string]string{IndexFile: ""}
	for _, p := range s.Folder.pieces() {
		digests[p.Name] = p.SHA256
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/")
		digest, known := digests[name]
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		case r.URL.Path == Script:
			s.script(w, r)
		case known:
			s.file(w, r, name, digest)
		default:
			http.Error(w, "there is no such file; the way in is "+Script, http.StatusNotFound)
		}
	})
}

// file serves a file of the bundle, or a range of it, and says who has it then.
func (s *Server) file(w http.ResponseWriter, r *http.Request, name, digest string) {
	file, err := openRegular(s.Folder.root, name)
	if err != nil {
		http.Error(w, "the file is no longer there", http.StatusNotFound)
		return
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		http.Error(w, "the file cannot be read", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	if digest != "" {
		w.Header().Set("ETag", `"`+digest+`"`)
	}
	answer := &answer{ResponseWriter: w}
	http.ServeContent(answer, r, name, info.ModTime(), file)
	if r.Method == http.MethodGet && digest != "" && answer.completes(info.Size()) {
		s.Say(client(r) + " has " + name)
	}
}

// answer counts what was sent.
type answer struct {
	http.ResponseWriter
	status int
	sent   int64
}

func (a *answer) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(p []byte) (int, error) {
	n, err := a.ResponseWriter.Write(p)
	a.sent += int64(n)
	return n, err
}

// completes reports whether the last byte of a file of that size was sent, and
// all before it that was asked for.
func (a *answer) completes(size int64) bool {
	begin, end := int64(0), size-1
	if a.status == http.StatusPartialContent {
		if n, err := fmt.Sscanf(a.Header().Get("Content-Range"), "bytes %d-%d/", &begin, &end); n != 2 || err != nil {
			return false // several ranges
		}
	} else if a.status != http.StatusOK {
		return false
	}
	return end == size-1 && a.sent == end-begin+1
}

// client is the address of whoever asked, without the port.
func client(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// hostPort matches what the script may repeat of a request: a name or an
// address, and perhaps a port.
var hostPort = regexp.MustCompile(`^([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?$`)

//go:embed install.sh
var installer string

var script = template.Must(template.New("install.sh").Parse(installer))

// script serves the script, with the address that it was asked for at.
func (s *Server) script(w http.ResponseWriter, r *http.Request) {
	if !hostPort.MatchString(r.Host) {
		http.Error(w, "the request does not name a host and a port", http.StatusBadRequest)
		return
	}
	var programs []File
	for _, f := range s.Folder.Files {
		if f.Content == Program && f.OS == "linux" {
			programs = append(programs, f)
		}
	}
	w.Header().Set("Content-Type", "text/x-shellscript; charset=utf-8")
	_ = script.Execute(w, map[string]any{"URL": "http://" + r.Host, "Programs": programs, "Start": s.Start}) // whoever asked may be gone
}

// URLs are the addresses at which other machines reach a listener: at every
// IPv4 address of this machine unless it listens at a certain one. Without a
// network it is the address that reaches it from this machine alone.
func URLs(listener net.Listener) ([]string, error) {
	at := listener.Addr().(*net.TCPAddr) //nolint:forcetypeassert // Listen opens no other
	if !at.IP.IsUnspecified() {
		return []string{"http://" + at.String()}, nil
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("looking for this machine's addresses: %w", err)
	}
	var urls []string
	for _, a := range addresses {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.To4() != nil && !ip.IP.IsLoopback() {
			urls = append(urls, fmt.Sprintf("http://%s:%d", ip.IP, at.Port))
		}
	}
	if len(urls) == 0 {
		urls = []string{fmt.Sprintf("http://127.0.0.1:%d", at.Port)}
	}
	return urls, nil
}
