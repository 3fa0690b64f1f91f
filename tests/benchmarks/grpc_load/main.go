// A gRPC backend that answers from memory, and what loads it: `grpcload serve ADDRESS`, `grpcload load ADDRESS CONNECTIONS STREAMS SECONDS`.
// Both speak grpc.health.v1.Health/Check, whose code comes with grpc-go.
package main

import (
	"context"
	"encoding/json"
	"log"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
)

type figures struct {
	Calls   int     `json:"calls"`
	Failed  int     `json:"failed"`
	Seconds float64 `json:"seconds"`
	P50     float64 `json:"p50_ms"`
	P99     float64 `json:"p99_ms"`
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "serve" {
		listener, err := net.Listen("tcp", os.Args[2])
		must(err)
		server := grpc.NewServer()
		grpc_health_v1.RegisterHealthServer(server, health.NewServer())
		must(server.Serve(listener))
		return
	}
	if len(os.Args) != 6 || os.Args[1] != "load" {
		log.Fatal("grpcload serve ADDRESS | grpcload load ADDRESS CONNECTIONS STREAMS SECONDS")
	}
	must(json.NewEncoder(os.Stdout).Encode(load(os.Args[2], number(3), number(4), number(5))))
}

// load keeps so many calls in flight on each connection for so many seconds.
func load(address string, connections, streams, seconds int) figures {
	var all sync.WaitGroup
	taken := make([][]time.Duration, connections*streams)
	failed := make([]int, connections*streams)
	begun := time.Now()
	until := begun.Add(time.Duration(seconds) * time.Second)
	for c := range connections {
		connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		must(err)
		defer connection.Close()
		client := grpc_health_v1.NewHealthClient(connection)
		for s := range streams {
			at := c*streams + s
			all.Go(func() {
				for time.Now().Before(until) {
					ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
					start := time.Now()
					_, err := client.Check(ctx, &grpc_health_v1.HealthCheckRequest{}, grpc.WaitForReady(true))
					cancel()
					if err != nil {
						failed[at]++
					} else {
						taken[at] = append(taken[at], time.Since(start))
					}
				}
			})
		}
	}
	all.Wait()
	found := figures{Seconds: time.Since(begun).Seconds()}
	latencies := slices.Concat(taken...)
	slices.Sort(latencies)
	found.Calls = len(latencies)
	for _, each := range failed {
		found.Failed += each
	}
	if found.Calls > 0 {
		found.P50 = milliseconds(latencies[found.Calls/2])
		found.P99 = milliseconds(latencies[found.Calls*99/100])
	}
	return found
}

func milliseconds(taken time.Duration) float64 { return float64(taken.Microseconds()) / 1000 }

func number(at int) int {
	found, err := strconv.Atoi(os.Args[at])
	must(err)
	return found
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
