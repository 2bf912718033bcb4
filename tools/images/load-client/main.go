// Command load-client sends requests at a steady rate and counts failures; it never retries.
//
//	load-client HOST:PORT    half over new connections, half over kept-alive ones; GET :8080/ returns the counts as JSON
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
	workers   = 4 // for each kind of connection
	period    = 25 * time.Millisecond
	timeout   = 5 * time.Second
	maxErrors = 10
)

// Report has the counts for one kind of connection.
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
		if len(r.Errors) < maxErrors {
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
	reports := map[string]*Report{"new": {Errors: []string{}}, "kept": {Errors: []string{}}}
	for name, report := range reports {
		for range workers {
			go load(os.Args[1], name == "kept", report)
		}
	}
	http.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		for _, report := range reports {
			report.mutex.Lock()
			defer report.mutex.Unlock()
		}
		_ = json.NewEncoder(w).Encode(reports)
	})
	log.Fatal(http.ListenAndServe(":8080", nil))
}

func load(address string, keep bool, report *Report) {
	var open *connection
	for range time.Tick(period) {
		if open != nil && open.ended() {
			open = nil
		}
		var err error
		if open == nil {
			open, err = dial(address)
		}
		reusable := false
		if err == nil {
			reusable, err = open.get(address, keep)
		}
		report.count(err)
		if open != nil && (err != nil || !reusable) {
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
	conn, err := net.DialTimeout("tcp", address, timeout)
	if err != nil {
		return nil, err
	}
	return &connection{conn, bufio.NewReader(conn)}, nil
}

// ended reports whether the server has closed an idle connection, which every client checks before a request.
func (c *connection) ended() bool {
	_ = c.SetReadDeadline(time.Now().Add(100 * time.Microsecond))
	_, err := c.read.Peek(1)
	var netError net.Error
	if errors.As(err, &netError) && netError.Timeout() {
		return false
	}
	_ = c.Close()
	return true
}

// get sends one request, and reports whether the connection can be reused.
func (c *connection) get(host string, keep bool) (bool, error) {
	_ = c.SetDeadline(time.Now().Add(timeout))
	header := "close"
	if keep {
		header = "keep-alive"
	}
	if _, err := fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: %s\r\n\r\n", host, header); err != nil {
		return false, err
	}
	response, err := http.ReadResponse(c.read, nil)
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return false, err
	}
	if response.StatusCode != http.StatusOK {
		return false, errors.New(response.Status)
	}
	return keep && !response.Close, nil
}
