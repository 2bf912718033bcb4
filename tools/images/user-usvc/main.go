// Command user-usvc is a small service with a database at 127.0.0.1:3306 and a log file.
//
//	$LISTEN (:443)  $DATABASE, $DATABASE_USER  $PASSWORD_FILE  $LOG_FILE
//	GET /users      returns the names, one on a line
//	POST /users     adds the name in the body
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	file, err := os.OpenFile(os.Getenv("LOG_FILE"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	log.SetOutput(io.MultiWriter(os.Stderr, file))
	users, err := open()
	if err != nil {
		return err
	}
	routes := http.NewServeMux()
	routes.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) { respond(w, r, users.PingContext(r.Context())) })
	routes.HandleFunc("GET /users", func(w http.ResponseWriter, r *http.Request) { respond(w, r, list(r.Context(), users, w)) })
	routes.HandleFunc("POST /users", func(w http.ResponseWriter, r *http.Request) { respond(w, r, add(r, users)) })
	listen := os.Getenv("LISTEN")
	if listen == "" {
		listen = ":443"
	}
	server := &http.Server{Addr: listen, Handler: routes, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	log.Printf("listening on %s", listen)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func open() (*sql.DB, error) {
	password, err := os.ReadFile(os.Getenv("PASSWORD_FILE"))
	if err != nil {
		return nil, err
	}
	config := mysql.NewConfig()
	config.Net, config.Addr = "tcp", "127.0.0.1:3306"
	config.User, config.Passwd = os.Getenv("DATABASE_USER"), strings.TrimSpace(string(password))
	config.DBName, config.Timeout = os.Getenv("DATABASE"), 2*time.Second
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

func list(ctx context.Context, users *sql.DB, w io.Writer) error {
	rows, err := users.QueryContext(ctx, "SELECT name FROM users ORDER BY name")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return err
		}
		fmt.Fprintln(w, name)
	}
	return rows.Err()
}

func add(r *http.Request, users *sql.DB) error {
	name, err := io.ReadAll(io.LimitReader(r.Body, 100))
	if err != nil {
		return err
	}
	_, err = users.ExecContext(r.Context(), "INSERT INTO users (name) VALUES (?)", strings.TrimSpace(string(name)))
	return err
}

// respond logs each request, and responds with the error if there is one.
func respond(w http.ResponseWriter, r *http.Request, err error) {
	if r.URL.Path != "/healthz" || err != nil {
		log.Printf("%s %s: %v", r.Method, r.URL.Path, err)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	}
}
