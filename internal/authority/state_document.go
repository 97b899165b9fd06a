package authority

import (
	"context"
	"database/sql"
	"time"

	"milagro.dev/dta"
	"milagro.dev/internal/problem"
)

// agree remembers that the operator agreed to a document.
func (s *state) agree(ctx context.Context, d *dta.Document, now time.Time) error {
	hash := d.Hash()
	return s.db.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := exec(ctx, tx, "INSERT INTO agreements (hash, revision, agreed) VALUES (?, ?, ?) ON CONFLICT (hash) DO NOTHING",
			hash[:], int64(d.Revision()), micros(now))
		return err
	})
}

// agreed reports whether the operator agreed to the document with this hash.
func (s *state) agreed(ctx context.Context, hash [32]byte) (ok bool, err error) {
	err = s.db.Read(ctx, func(ctx context.Context, tx *sql.Tx) error {
		var one int
		ok, err = found(tx.QueryRowContext(ctx, "SELECT 1 FROM agreements WHERE hash = ?", hash[:]).Scan(&one))
		return err
	})
	return ok, err
}

// approve records d as the only document that is ever approved or signed for
// its revision and lower ones, or refuses because another one is.
func (s *state) approve(ctx context.Context, d *dta.Document, now time.Time) error {
	hash, revision := d.Hash(), int64(d.Revision())
	return s.db.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		took, err := exec(ctx, tx, `INSERT INTO approvals (revision, hash, approved) SELECT ?, ?, ?
			WHERE NOT EXISTS (SELECT 1 FROM approvals WHERE revision >= ?)`, revision, hash[:], micros(now), revision)
		if err != nil || took {
			return err
		}
		return onlyApproval(ctx, tx, revision, hash)
	})
}

// share records that the share of d's signature is about to leave. From then on
// nothing below d is stamped.
func (s *state) share(ctx context.Context, d *dta.Document) error {
	hash, revision := d.Hash(), int64(d.Revision())
	return s.db.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := onlyApproval(ctx, tx, revision, hash); err != nil {
			return err
		}
		_, err := exec(ctx, tx, "UPDATE approvals SET shared = TRUE WHERE revision = ? AND hash = ?", revision, hash[:])
		return err
	})
}

// onlyApproval refuses unless the highest approval is of this document.
func onlyApproval(ctx context.Context, tx *sql.Tx, revision int64, hash [32]byte) error {
	var highest int64
	var approved []byte
	ok, err := found(tx.QueryRowContext(ctx, "SELECT revision, hash FROM approvals ORDER BY revision DESC LIMIT 1").
		Scan(&highest, &approved))
	if err != nil {
		return err
	}
	if !ok || highest < revision {
		return problem.New(problem.Forbidden, "this authority has not approved revision %d", revision)
	}
	if highest != revision || string(approved) != string(hash[:]) {
		return problem.New(problem.Forbidden, "this authority has approved another document, of revision %d", highest).
			WithAdvice("one authority signs one document a revision: find out who made the other")
	}
	return nil
}

// sharedAbove reports whether a share was given for a revision above this one.
func (s *state) sharedAbove(ctx context.Context, revision uint64) (above bool, err error) {
	err = s.db.Read(ctx, func(ctx context.Context, tx *sql.Tx) error {
		var one int
		above, err = found(tx.QueryRowContext(ctx, "SELECT 1 FROM approvals WHERE shared AND revision > ? LIMIT 1",
			int64(revision)).Scan(&one))
		return err
	})
	return above, err
}

// keep stores a fully signed document for ever.
func (s *state) keep(ctx context.Context, d *dta.Document, signature []byte, now time.Time) error {
	hash := d.Hash()
	return s.db.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := exec(ctx, tx, `INSERT INTO documents (hash, revision, document, signature, received) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (hash) DO NOTHING`, hash[:], int64(d.Revision()), d.Bytes(), signature, micros(now))
		return err
	})
}

// highest returns the signed documents of the highest revision, with its latest
// stamp: none before the first, two when the domain has equivocated.
func (s *state) highest(ctx context.Context) (highest []*dta.Published, err error) {
	err = s.db.Read(ctx, func(ctx context.Context, tx *sql.Tx) error {
		highest = nil
		return rows(ctx, tx, func(row *sql.Rows) error {
			var document, signature, stamp []byte
			if err := row.Scan(&document, &signature, &stamp); err != nil {
				return err
			}
			p, err := published(document, signature, stamp)
			highest = append(highest, p)
			return err
		}, `SELECT document, signature, (SELECT stamp FROM stamps WHERE stamps.hash = documents.hash ORDER BY day DESC LIMIT 1)
			FROM documents WHERE revision = (SELECT MAX(revision) FROM documents) ORDER BY received, hash`)
	})
	return highest, err
}

func published(document, signature, stamp []byte) (*dta.Published, error) {
	d, err := dta.ParseDocument(document)
	if err != nil {
		return nil, err
	}
	p := &dta.Published{Document: d, Signature: signature}
	if stamp != nil {
		p.Stamp, err = dta.ParseStamp(stamp)
	}
	return p, err
}

// addStamp stores a stamp that was verified.
func (s *state) addStamp(ctx context.Context, stamp *dta.Stamp) error {
	return s.db.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := exec(ctx, tx, "INSERT INTO stamps (hash, day, stamp) VALUES (?, ?, ?) ON CONFLICT (hash, day) DO NOTHING",
			stamp.Hash[:], int64(stamp.Day), stamp.Bytes())
		return err
	})
}
