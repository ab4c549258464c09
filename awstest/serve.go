package awstest

import (
	"io"
	"log"
	"net"
	"net/http"
	"time"
)

// Serve runs h on a free port of the loopback address 127.0.0.1 until the test ends, and returns its URL,
// without a slash at the end.
func Serve(t TB, h http.Handler) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("awstest: %v", err)
		return ""
	}
	s := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: time.Minute,
		ErrorLog:          log.New(io.Discard, "", 0), // broken connections are what the tests want
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l) // ends with http.ErrServerClosed
	}()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
	return "http://" + l.Addr().String()
}
