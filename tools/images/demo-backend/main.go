// Command demo-backend is the backend of the examples: a page, probes, an echo, access to files, and commands for
// init containers and sidecars.
//
//	demo-backend                  serves HTTP on $LISTEN (127.0.0.1:8000)
//	demo-backend migrate          appends a line to $STATE_DIR/migrated
//	demo-backend writelog PATH    appends a line to PATH each second
//	demo-backend forward HERE TO  forwards each TCP connection at HERE to TO: an ambassador
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 0 || args[0] == "serve":
		return serve(ctx, setting("LISTEN", "127.0.0.1:8000"))
	case args[0] == "migrate" && len(args) == 1:
		return migrate(setting("STATE_DIR", "/state"))
	case args[0] == "writelog" && len(args) == 2:
		return writeLog(ctx, args[1])
	case args[0] == "forward" && len(args) == 3:
		return forward(ctx, args[1], args[2])
	}
	return errors.New("usage: demo-backend [serve | migrate | writelog PATH | forward HERE TO]")
}

func setting(name, fallback string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return fallback
}

func serve(ctx context.Context, address string) error {
	if err := startSlowly(ctx, setting("START_AFTER", "0s")); err != nil {
		return err
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true) // for gRPC's health protocol on the same port
	server := &http.Server{
		Addr: address, Handler: newBackend().routes(), Protocols: protocols, ReadHeaderTimeout: 10 * time.Second,
	}
	go func() {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = server.Shutdown(grace)
	}()
	log.Printf("listening on %s, version %s", address, setting("VERSION", "unknown"))
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// startSlowly waits before the server listens, like an application that loads data at its start.
func startSlowly(ctx context.Context, after string) error {
	wait, err := time.ParseDuration(after)
	if err != nil {
		return fmt.Errorf("START_AFTER: %w", err)
	}
	select {
	case <-ctx.Done():
	case <-time.After(wait):
	}
	return nil
}

// migrate is the work of an init container before the backend starts; every run appends a line.
func migrate(folder string) error {
	line := fmt.Sprintf("%s %s\n", time.Now().UTC().Format(time.RFC3339), podName())
	if err := appendTo(filepath.Join(folder, "migrated"), line); err != nil {
		return fmt.Errorf("could not migrate: %w", err)
	}
	log.Printf("migrated: %s", line)
	return nil
}

func writeLog(ctx context.Context, path string) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for number := 1; ; number++ {
		line := fmt.Sprintf("%s %s line %d\n", time.Now().UTC().Format(time.RFC3339), podName(), number)
		if err := appendTo(path, line); err != nil {
			return fmt.Errorf("could not write the log: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func appendTo(path, line string) error {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := file.WriteString(line); err != nil {
		return errors.Join(err, file.Close())
	}
	return file.Close()
}

func podName() string {
	if name := os.Getenv("POD_NAME"); name != "" {
		return name
	}
	name, _ := os.Hostname()
	return name
}
