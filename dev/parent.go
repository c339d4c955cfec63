package main

import (
	"context"
	"os"
	"time"
)

// watchParent ends us when `go run` dies: it passes on no SIGTERM, and without it nobody could reach us to stop.
// Another parent may go as it likes, a shell in which `up &` was typed for one.
func watchParent(end context.CancelFunc) {
	parent := os.Getppid()
	if programOf(parent) != "go" {
		return
	}
	for os.Getppid() == parent {
		time.Sleep(200 * time.Millisecond)
	}
	end()
}
