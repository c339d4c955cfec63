package fleet

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The tests start real processes: this test binary itself, which plays another part when PART says so.
func TestMain(m *testing.M) {
	switch part := os.Getenv("PART"); part {
	case "":
		os.Exit(m.Run())
	case "paysaga":
		paysaga(os.Args[1])
	case "parent": // leaves a child behind when it is killed
		child := exec.Command(os.Args[0])
		child.Env = []string{"PART=sleeper"}
		if err := child.Start(); err != nil {
			fail(err)
		}
		note("child", fmt.Sprint(child.Process.Pid))
		await()
	case "sleeper":
		await()
	case "short": // says why it cannot, and ends
		fmt.Println("I have no database")
		os.Exit(3)
	}
}

// paysaga is a fake of the product that insists on the settings the fleet must hand it.
func paysaga(command string) {
	switch command {
	case "migrate":
		need("DATABASE_URL", "TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE")
		note("migrated", "")
	case "simulator":
		if os.Getenv("WECHATPAY_API_V3_KEY") != "" {
			fail("a real merchant's key is set")
		}
		note(filepath.Join(os.Getenv("SIM_DATA"), "merchant.env"), "# made up\nWECHATPAY_MCH_ID=1900000001\n")
		serve("SIM_CONTROL_ADDR")
	case "api":
		need("WECHATPAY_MCH_ID", "DATABASE_URL", "API_TOKENS", "PUBLIC_URL", "API_ADDR")
		serve("ADMIN_ADDR")
	case "worker":
		need("WECHATPAY_MCH_ID", "DATABASE_URL")
		serve("ADMIN_ADDR")
	default:
		fail("no command " + command)
	}
}

// serve is ready at once and tells its settings.
func serve(address string) {
	http.HandleFunc("/readyz", func(http.ResponseWriter, *http.Request) {})
	http.HandleFunc("/env", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, strings.Join(os.Environ(), "\x00"))
	})
	go func() { fail(http.ListenAndServe(os.Getenv(address), nil)) }()
	await()
}

func await() {
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM, syscall.SIGINT)
	<-end
	os.Exit(0)
}

func need(names ...string) {
	for _, name := range names {
		if os.Getenv(name) == "" {
			fail(name + " is missing")
		}
	}
}

func note(path, text string) {
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		fail(err)
	}
}

func fail(why any) {
	fmt.Println(why)
	os.Exit(1)
}
