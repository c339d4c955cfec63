package wechatpay_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paysaga/paysaga/internal/wechatpay"
	"github.com/paysaga/paysaga/internal/wechattest"
)

// followed is keys that follow a file, and the file.
type followed struct {
	*testing.T
	keys   *wechatpay.Keys
	hangup chan os.Signal
	log    strings.Builder

	mu   sync.Mutex
	file wechatpay.KeyMaterial
	away error // why the file cannot be read
}

// write makes the file hold now; away says why it cannot be read, if it cannot.
func (f *followed) write(now wechatpay.KeyMaterial, away error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.file, f.away = now, away
}

func (f *followed) read() (wechatpay.KeyMaterial, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.file, f.away
}

const every = 2 * time.Second

func following(t *testing.T, first wechatpay.KeyMaterial) *followed {
	t.Helper()
	keys, err := wechatpay.NewKeys(first)
	if err != nil {
		t.Fatal(err)
	}
	f := &followed{T: t, keys: keys, file: first, hangup: make(chan os.Signal)}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		keys.Follow(ctx, wechatpay.Following{
			Read: f.read, Every: every, Hangup: f.hangup, Log: slog.New(slog.NewTextHandler(&f.log, nil)),
		})
	}()
	t.Cleanup(func() { stop(); <-ended })
	return f
}

// looks lets time pass for so many looks at the file.
func (f *followed) looks(n int) {
	time.Sleep(time.Duration(n)*every + time.Millisecond)
	synctest.Wait()
}

func (f *followed) inForce(want *wechattest.Platform) {
	f.Helper()
	if serial, _ := f.keys.GetSerial(f.Context()); serial != want.Serial {
		f.Errorf("the key in force is %s, want %s", serial, want.Serial)
	}
}

func (f *followed) logged(level string, times int) {
	f.Helper()
	if n := strings.Count(f.log.String(), "level="+level); n != times {
		f.Errorf("%d lines of level %s, want %d:\n%s", n, level, times, f.log.String())
	}
	if strings.Contains(f.log.String(), newKeyText) || strings.Contains(f.log.String(), "MIIB") {
		f.Error("the log holds a key")
	}
}

func TestKeysFollowTheirFile(t *testing.T) {
	old, next := wechattest.NewPlatform(t, "PUB_KEY_ID_OLD", oldKeyText), wechattest.NewPlatform(t, "PUB_KEY_ID_NEW", newKeyText)
	material := func(p *wechattest.Platform) wechatpay.KeyMaterial {
		return wechatpay.KeyMaterial{PublicKeyID: p.Serial, PublicKey: p.PublicPEM(), APIv3Key: p.APIv3Key}
	}
	bad := material(next)
	bad.PublicKey = bad.PublicKey[:100]
	for ending, story := range map[string]func(f *followed){
		"nothing changes": func(f *followed) {
			f.looks(5)
			f.inForce(old)
			f.logged("INFO", 0)
		},
		"the file changes, and is taken at the second look": func(f *followed) {
			f.write(material(next), nil)
			f.looks(1)
			f.inForce(old)
			f.looks(1)
			f.inForce(next)
			f.looks(5)
			f.logged("INFO", 1)
		},
		"the file changed before anybody looked": func(f *followed) {
			f.write(material(next), nil)
			f.looks(2)
			f.inForce(next)
			f.write(material(old), nil)
			f.looks(2)
			f.inForce(old)
		},
		"the file is half written at the first look": func(f *followed) {
			f.write(bad, nil)
			f.looks(1)
			f.write(material(next), nil)
			f.looks(2)
			f.inForce(next)
			f.logged("WARN", 0)
		},
		"the new file is no good, and the old keys stay": func(f *followed) {
			f.write(bad, nil)
			f.looks(10)
			f.inForce(old)
			f.logged("WARN", 1)
			f.write(material(next), nil)
			f.looks(2)
			f.inForce(next)
		},
		"the file is away for a while": func(f *followed) {
			f.write(wechatpay.KeyMaterial{}, errors.New("WECHATPAY_PUBLIC_KEY_FILE: cannot be read"))
			f.looks(10)
			f.inForce(old)
			f.logged("WARN", 1)
			f.write(material(next), nil)
			f.looks(2)
			f.inForce(next)
		},
		"SIGHUP has it read at once": func(f *followed) {
			f.write(material(next), nil)
			f.hangup <- syscall.SIGHUP
			synctest.Wait()
			f.inForce(next)
			f.logged("INFO", 1)
		},
		"SIGHUP, and the file is no good": func(f *followed) {
			f.write(bad, nil)
			for range 2 {
				f.hangup <- syscall.SIGHUP
				synctest.Wait()
			}
			f.inForce(old)
			f.logged("WARN", 2)
		},
		"SIGHUP, and the file is away": func(f *followed) {
			f.write(wechatpay.KeyMaterial{}, errors.New("WECHATPAY_PUBLIC_KEY_FILE: cannot be read"))
			for range 2 {
				f.hangup <- syscall.SIGHUP
				synctest.Wait()
			}
			f.inForce(old)
			f.logged("WARN", 2)
		},
	} {
		t.Run(ending, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { story(following(t, material(old))) })
		})
	}
}
