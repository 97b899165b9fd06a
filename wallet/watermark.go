package wallet

import (
	"context"
	"path/filepath"
	"time"

	"milagro.dev/identity"
)

const (
	watermarkFile = "watermark"
	// localWait bounds the wait for a lock that nobody holds while he talks to
	// the network.
	localWait = 2 * time.Second
)

func (w *Wallet) readWatermark(dir string) (*identity.Watermark, error) {
	r, err := readRecord[watermarkRecord](w.disk, filepath.Join(dir, watermarkFile))
	if err != nil && !missing(err) {
		return nil, err
	}
	return identity.NewWatermark(identity.Epoch{Start: r.Start, Length: r.Length}), nil
}

// raise records, here and on the disk, that an epoch is in use.
func (w *Wallet) raise(d *domain, e identity.Epoch) error {
	if e.Start <= d.tls.Watermark.Highest().Start {
		return nil
	}
	d.tls.Watermark.Raise(e)
	ctx, cancel := context.WithTimeout(context.Background(), localWait)
	defer cancel()
	dir := w.domainDir(d.tls.Name)
	unlock, err := w.lock(ctx, dir)
	if err != nil {
		return err
	}
	defer unlock()
	stored, err := w.readWatermark(dir)
	if err != nil {
		return err
	}
	if stored.Highest().Start >= e.Start {
		return nil
	}
	r := watermarkRecord{Start: e.Start, Length: e.Length}
	r.Format = r.format()
	return writeRecord(w.disk, filepath.Join(dir, watermarkFile), r)
}
