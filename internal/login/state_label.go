package login

import (
	"context"
	"database/sql"
)

// labels returns what a person calls their devices.
func (s *state) labels(ctx context.Context, name string) (map[HexHash]string, error) {
	all := map[HexHash]string{}
	err := s.read(ctx, func(ctx context.Context, tx transaction) error {
		return tx.all(ctx, func(r *sql.Rows) error {
			var device []byte
			var label string
			if err := r.Scan(&device, &label); err != nil {
				return err
			}
			all[HexHash(device)] = label
			return nil
		}, "SELECT device, label FROM labels WHERE name = $1", name)
	})
	return all, err
}

func (s *state) setLabel(ctx context.Context, name string, device HexHash, label string) error {
	return s.write(ctx, func(ctx context.Context, tx transaction) error {
		_, err := tx.exec(ctx, "INSERT INTO labels (name, device, label) VALUES ($1, $2, $3) ON CONFLICT (name, device) DO UPDATE SET label = excluded.label",
			name, device[:], label)
		return err
	})
}
