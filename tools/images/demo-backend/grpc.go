package main

import (
	"bytes"
	"io"
	"net/http"
)

// grpcHealth is the call Check of gRPC's health protocol, which probes use. The services are `ready` and `live`; any
// other name means the process itself, which is always serving.
func (b *backend) grpcHealth(w http.ResponseWriter, r *http.Request) {
	const serving, notServing = 1, 2
	request, _ := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<10))
	status := byte(serving)
	// The message is one string after its tag and length, at the end of the request.
	if bytes.HasSuffix(request, []byte("\x05ready")) && b.notReady.Load() ||
		bytes.HasSuffix(request, []byte("\x04live")) && b.unhealthy.Load() {
		status = notServing
	}
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Trailer", "Grpc-Status")
	_, _ = w.Write([]byte{0, 0, 0, 0, 2, 8, status}) // not compressed, two bytes: field 1 is the status
	w.Header().Set("Grpc-Status", "0")
}
