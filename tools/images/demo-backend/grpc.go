package main

import (
	"bytes"
	"io"
	"net/http"
)

// grpcHealth is the one call of gRPC's health protocol that probes make. The services are `ready` and `live`; every
// other name is the process itself, which serves while it answers.
func (b *backend) grpcHealth(w http.ResponseWriter, r *http.Request) {
	const serving, notServing = 1, 2
	request, _ := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<10))
	status := byte(serving)
	// The message is one string, behind its tag and length, and it ends the request.
	if bytes.HasSuffix(request, []byte("\x05ready")) && b.notReady.Load() ||
		bytes.HasSuffix(request, []byte("\x04live")) && b.unhealthy.Load() {
		status = notServing
	}
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Trailer", "Grpc-Status")
	_, _ = w.Write([]byte{0, 0, 0, 0, 2, 8, status}) // not compressed, two bytes: field 1 is the status
	w.Header().Set("Grpc-Status", "0")
}
