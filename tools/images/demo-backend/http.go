package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync/atomic"
)

type backend struct {
	notReady  atomic.Bool
	unhealthy atomic.Bool
}

func newBackend() *backend { return &backend{} }

func (b *backend) routes() http.Handler {
	routes := http.NewServeMux()
	routes.HandleFunc("GET /{$}", page)
	routes.HandleFunc("GET /healthz", b.health)
	routes.HandleFunc("GET /ready", b.ready)
	routes.HandleFunc("POST /-/ready", toggle(&b.notReady))
	routes.HandleFunc("POST /-/healthy", toggle(&b.unhealthy))
	routes.HandleFunc("GET /env", environment)
	routes.HandleFunc("GET /files", readFile)
	routes.HandleFunc("POST /files", writeFile)
	routes.HandleFunc("/echo", echo)
	routes.HandleFunc("POST /grpc.health.v1.Health/Check", b.grpcHealth)
	return routes
}

func page(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprintf(w, "Hello from %s, version %s\n", podName(), setting("VERSION", "unknown"))
}

func (b *backend) health(w http.ResponseWriter, _ *http.Request) {
	respond(w, !b.unhealthy.Load(), "healthy")
}

// ready fails after POST /-/ready?on=false, and while the file named by NOT_READY_FILE exists.
func (b *backend) ready(w http.ResponseWriter, _ *http.Request) {
	_, err := os.Stat(setting("NOT_READY_FILE", "/tmp/not-ready"))
	respond(w, !b.notReady.Load() && err != nil, "ready")
}

func respond(w http.ResponseWriter, ok bool, state string) {
	if !ok {
		http.Error(w, "not "+state, http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, state)
}

// toggle handles POST ...?on=true|false; the flag is inverted, so that everything is on at the start.
func toggle(off *atomic.Bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("on") {
		case "true":
			off.Store(false)
		case "false":
			off.Store(true)
		default:
			http.Error(w, "use ?on=true or ?on=false", http.StatusBadRequest)
			return
		}
		fmt.Fprintln(w, "ok")
	}
}

// environment returns one variable: /env?name=X.
func environment(w http.ResponseWriter, r *http.Request) {
	value, found := os.LookupEnv(r.URL.Query().Get("name"))
	if !found {
		http.Error(w, "not set", http.StatusNotFound)
		return
	}
	fmt.Fprintln(w, value)
}

func readFile(w http.ResponseWriter, r *http.Request) {
	content, err := os.ReadFile(r.URL.Query().Get("path"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write(content)
}

func writeFile(w http.ResponseWriter, r *http.Request) {
	content, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err == nil {
		err = os.WriteFile(r.URL.Query().Get("path"), content, 0o644)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	w.WriteHeader(http.StatusCreated)
}

func echo(w http.ResponseWriter, r *http.Request) {
	size, _ := io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"pod":     podName(),
		"version": setting("VERSION", "unknown"),
		"method":  r.Method,
		"path":    r.URL.Path,
		"query":   r.URL.RawQuery,
		"host":    r.Host,
		"headers": r.Header,
		"remote":  r.RemoteAddr,
		"size":    size,
	})
}
