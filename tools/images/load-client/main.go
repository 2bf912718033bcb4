// Command load-client sends steady requests and tells what became of them, never trying one twice.
//
//	load-client HOST:PORT    one half over new connections, one half over kept ones; GET :8080/ tells so far, as JSON
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

const (
	workers = 4 // of each way
	pause   = 25 * time.Millisecond
	limit   = 5 * time.Second
	shown   = 10
)

// Report is what became of one way of asking.
type Report struct {
	Requests     int      `json:"requests"`
	Failures     int      `json:"failures"`
	LongestGapMS int64    `json:"longestGapMilliseconds"`
	Errors       []string `json:"errors"`
	last         time.Time
	mutex        sync.Mutex
}

func (r *Report) count(err error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.Requests++
	now := time.Now()
	if err != nil {
		r.Failures++
		if len(r.Errors) < shown {
			r.Errors = append(r.Errors, now.UTC().Format("15:04:05.000 ")+err.Error())
		}
		return
	}
	if gap := now.Sub(r.last).Milliseconds(); !r.last.IsZero() && gap > r.LongestGapMS {
		r.LongestGapMS = gap
	}
	r.last = now
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: load-client HOST:PORT")
	}
	ways := map[string]*Report{"new": {Errors: []string{}}, "kept": {Errors: []string{}}}
	for name, report := range ways {
		for range workers {
			go load(os.Args[1], name == "kept", report)
		}
	}
	http.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		for _, report := range ways {
			report.mutex.Lock()
			defer report.mutex.Unlock()
		}
		_ = json.NewEncoder(w).Encode(ways)
	})
	log.Fatal(http.ListenAndServe(":8080", nil))
}

func load(address string, keep bool, report *Report) {
	var open *connection
	for range time.Tick(pause) {
		if open != nil && open.ended() {
			open = nil
		}
		var err error
		if open == nil {
			open, err = dial(address)
		}
		again := false
		if err == nil {
			again, err = open.ask(address, keep)
		}
		report.count(err)
		if open != nil && (err != nil || !again) {
			_ = open.Close()
			open = nil
		}
	}
}

type connection struct {
	net.Conn
	read *bufio.Reader
}

func dial(address string) (*connection, error) {
	conn, err := net.DialTimeout("tcp", address, limit)
	if err != nil {
		return nil, err
	}
	return &connection{conn, bufio.NewReader(conn)}, nil
}

// ended tells whether the server has closed an idle connection, which every client looks for before it asks.
func (c *connection) ended() bool {
	_ = c.SetReadDeadline(time.Now().Add(100 * time.Microsecond))
	_, err := c.read.Peek(1)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return false
	}
	_ = c.Close()
	return true
}

// ask sends one request; it tells whether the connection may be used again.
func (c *connection) ask(host string, keep bool) (bool, error) {
	_ = c.SetDeadline(time.Now().Add(limit))
	way := "close"
	if keep {
		way = "keep-alive"
	}
	if _, err := fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: %s\r\n\r\n", host, way); err != nil {
		return false, err
	}
	answer, err := http.ReadResponse(c.read, nil)
	if err != nil {
		return false, err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return false, err
	}
	if answer.StatusCode != http.StatusOK {
		return false, errors.New(answer.Status)
	}
	return keep && !answer.Close, nil
}
