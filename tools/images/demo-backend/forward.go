package main

import (
	"context"
	"io"
	"log"
	"net"
	"time"
)

// forward leads each connection on; where the other side does not answer the connection ends.
func forward(ctx context.Context, here, to string) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", here)
	if err != nil {
		return err
	}
	go func() {
		<-ctx.Done()
		_ = listener.Close()
	}()
	log.Printf("forwarding %s to %s", here, to)
	for {
		near, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		go join(near, to)
	}
}

func join(near net.Conn, to string) {
	defer near.Close()
	far, err := net.DialTimeout("tcp", to, 5*time.Second)
	if err != nil {
		log.Print(err)
		return
	}
	defer far.Close()
	ended := make(chan struct{}, 2)
	pour := func(into, from net.Conn) {
		_, _ = io.Copy(into, from)
		ended <- struct{}{}
	}
	go pour(far, near)
	go pour(near, far)
	<-ended
}
