package main

import (
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/spf13/cobra"
	"milagro.dev/internal/custody"
)

// unsealFile is the key file in a directory when nothing else was
// asked for.
const unsealFile = "unseal.key"

// seal says what protects the secrets of an authority or login server at rest: a file each, by path.
type seal struct {
	PassphraseFile string `toml:"passphrase_file"`
	KeyFile        string `toml:"key_file"`
}

func (s *seal) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.PassphraseFile, "passphrase-file", "", "file with the passphrase that seals the secrets in the directory")
	cmd.Flags().StringVar(&s.KeyFile, "key-file", "", "key file that seals the secrets in the directory (default DIR/"+unsealFile+")")
	cmd.MarkFlagsMutuallyExclusive("passphrase-file", "key-file")
}

// open returns the protector of what exists in dir.
func (s seal) open(dir string) (custody.Protector, error) {
	if s.PassphraseFile != "" {
		return custody.FromPassphraseFile(s.PassphraseFile)
	}
	path := s.keyFile(dir)
	p, err := custody.FromKeyFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = withHint(err, "if the directory was made with a passphrase or with another key file, name it: --passphrase-file or --key-file")
	}
	return p, err
}

// create returns the protector of a new directory and, when it made one, the
// path of a new key file.
func (s seal) create(dir string) (p custody.Protector, made string, err error) {
	if s.PassphraseFile != "" {
		p, err = custody.FromPassphraseFile(s.PassphraseFile)
		return p, "", err
	}
	path := s.keyFile(dir)
	p, err = custody.NewKeyFile(path)
	if errors.Is(err, fs.ErrExist) {
		p, err = custody.FromKeyFile(path)
		return p, "", err
	}
	return p, path, err
}

func (s seal) keyFile(dir string) string {
	if s.KeyFile != "" {
		return s.KeyFile
	}
	return filepath.Join(dir, unsealFile)
}
