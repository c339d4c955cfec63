package fleet

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Systems take the local port of an outgoing connection from 32768 or 49152 upwards. A port below stays free between
// the moment it is chosen and the moment it is bound, and while a killed process is away.
const firstPort, portsEnd = 20000, 32000

// FreePort returns a port of 127.0.0.1 that nobody listens on: wanted itself if it is not 0 and free, else any.
func FreePort(wanted int) (int, error) {
	if wanted != 0 && free(wanted) {
		return wanted, nil
	}
	for range 1000 {
		if port := firstPort + rand.IntN(portsEnd-firstPort); free(port) {
			return port, nil
		}
	}
	return 0, fmt.Errorf("no free port between %d and %d", firstPort, portsEnd)
}

func free(port int) bool {
	listener, err := net.Listen("tcp", Loopback(port))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}

// Loopback is a port on this machine as host:port.
func Loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
