package main

import (
	"context"
	"io"
	"log"
	"net"
	"time"
)

// forward proxies each connection, and closes it if the other side does not respond.
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
		client, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		go proxy(client, to)
	}
}

func proxy(client net.Conn, to string) {
	defer client.Close()
	server, err := net.DialTimeout("tcp", to, 5*time.Second)
	if err != nil {
		log.Print(err)
		return
	}
	defer server.Close()
	ended := make(chan struct{}, 2)
	copyStream := func(into, from net.Conn) {
		_, _ = io.Copy(into, from)
		ended <- struct{}{}
	}
	go copyStream(server, client)
	go copyStream(client, server)
	<-ended
}
