package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

const (
	// connections is how many one process opens at most: a few replicas stay
	// below the 100 that a server allows by default.
	connections = 16
	// connectTimeout bounds one attempt to connect, in which a server that does
	// not answer shows.
	connectTimeout = 5 * time.Second
	// statementTimeout is what the server grants a statement, a wait for a lock
	// included.
	statementTimeout = 5 * time.Second
	// patience bounds a whole transaction with its retries. Beyond it the
	// server, or the way to it, is stuck, and the caller answers 503.
	patience = 10 * time.Second
	// idleTime ends connections that nobody used for so long, lifeTime every
	// connection: after a failover none stays with the old server.
	idleTime = 5 * time.Minute
	lifeTime = 30 * time.Minute
	// openLock is the advisory lock that one opener holds while it makes or
	// migrates tables: "milagro" in ASCII.
	openLock = 0x6d696c6167726f
)

func openPostgres(ctx context.Context, cfg Config) (*DB, error) {
	conf, err := parseURL(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	name := fmt.Sprintf("%s on %s", conf.Database, conf.Host)
	if err := prepare(ctx, conf, cfg.Schema); err != nil {
		return nil, fmt.Errorf("open database %s: %w", name, classify(err))
	}
	pool := connect(conf)
	return &DB{writer: pool, reader: pool, probe: probePostgres, patience: patience}, nil
}

// probePostgres finds a server that has become a standby, or was made
// read-only, under its connections.
func probePostgres(ctx context.Context, tx *sql.Tx) error {
	var readOnly string
	if err := tx.QueryRowContext(ctx, "SHOW transaction_read_only").Scan(&readOnly); err != nil {
		return err
	}
	if readOnly != "off" {
		return fmt.Errorf("%w: the server is read-only", ErrUnavailable)
	}
	return nil
}

// parseURL returns the settings of every connection. No error shows any part
// of text: what a password with a stray character was taken for is unknown.
func parseURL(text string) (*pgx.ConnConfig, error) {
	const form = "postgres://user:password@host:port/database?sslmode=verify-full, with special characters of the password percent-encoded"
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return nil, errors.New("the URL of the database is none of PostgreSQL: want " + form)
	}
	conf, err := pgx.ParseConfig(text)
	if err != nil {
		return nil, errors.New("the URL of the database does not parse, or a file that it names: want " + form)
	}
	if conf.ConnectTimeout <= 0 || conf.ConnectTimeout > connectTimeout {
		conf.ConnectTimeout = connectTimeout
	}
	if conf.ValidateConnect == nil {
		// A standby would take none of our writes; of several hosts, the primary.
		conf.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	conf.RuntimeParams["synchronous_commit"] = "on"
	conf.RuntimeParams["statement_timeout"] = milliseconds(statementTimeout)
	conf.RuntimeParams["idle_in_transaction_session_timeout"] = milliseconds(patience)
	if conf.RuntimeParams["application_name"] == "" {
		conf.RuntimeParams["application_name"] = "milagro"
	}
	return conf, nil
}

func milliseconds(d time.Duration) string { return fmt.Sprint(d.Milliseconds()) }

// connector makes the errors of connecting fit to be shown: one line, and
// without the settings, password included, that pgconn.ConnectError carries.
type connector struct{ driver.Connector }

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err == nil {
		return conn, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		return nil, &connectError{text: text, err: answer}
	}
	return nil, &connectError{text: text}
}

type connectError struct {
	text string
	err  error // what the server said, if it did
}

func (e *connectError) Error() string { return e.text }
func (e *connectError) Unwrap() error { return e.err }

func connect(conf *pgx.ConnConfig) *sql.DB {
	pool := sql.OpenDB(connector{stdlib.GetConnector(*conf)})
	pool.SetMaxOpenConns(connections)
	pool.SetMaxIdleConns(connections)
	pool.SetConnMaxIdleTime(idleTime)
	pool.SetConnMaxLifetime(lifeTime)
	return pool
}

// prepare brings the database to schema, over connections of its own: a
// migration may take longer than a statement of a request.
func prepare(ctx context.Context, conf *pgx.ConnConfig, schema Schema) error {
	patient := conf.Copy()
	patient.RuntimeParams["statement_timeout"] = "0"
	patient.RuntimeParams["idle_in_transaction_session_timeout"] = "0"
	pool := connect(patient)
	defer pool.Close()
	conn, err := pool.Conn(ctx)
	if err != nil {
		return &stepError{step: "connect", err: err}
	}
	defer conn.Close()
	// One opener at a time; the lock ends with the connection, however that ends.
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", int64(openLock)); err != nil {
		return &stepError{step: "lock", err: err}
	}
	if err := claim(ctx, conn, schema); err != nil {
		return err
	}
	return migrate(ctx, goose.DialectPostgres, pool, bytea{schema.Migrations})
}

// claim refuses a database that holds anything else than schema, and marks an
// empty one: table milagro_store with one row, the name of the schema.
func claim(ctx context.Context, conn *sql.Conn, schema Schema) error {
	tables, marked, err := inventory(ctx, conn)
	if err != nil {
		return &stepError{step: "look", err: err}
	}
	switch {
	case marked:
		return checkRole(ctx, conn, schema)
	case tables > 0:
		return foreign("it holds %d tables, and none says that they are Milagro's", tables)
	}
	const mark = "CREATE TABLE milagro_store (role TEXT NOT NULL PRIMARY KEY)"
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return &stepError{step: "begin", err: err}
	}
	defer tx.Rollback() // after Commit it does nothing
	if _, err := tx.ExecContext(ctx, mark); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO milagro_store (role) VALUES ($1)", schema.Name); err != nil {
		return err
	}
	return tx.Commit()
}

// inventory counts the tables in the schema where ours would be made, and says
// whether our mark is among them.
func inventory(ctx context.Context, conn *sql.Conn) (tables int, marked bool, err error) {
	const count = `SELECT count(*), count(*) FILTER (WHERE c.relname = 'milagro_store')
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p', 'v', 'm', 'f')`
	var marks int
	err = conn.QueryRowContext(ctx, count).Scan(&tables, &marks)
	return tables, marks > 0, err
}

func checkRole(ctx context.Context, conn *sql.Conn, schema Schema) error {
	var role string
	var rows int
	const read = "SELECT count(*), coalesce(min(role), '') FROM milagro_store"
	if err := conn.QueryRowContext(ctx, read).Scan(&rows, &role); err != nil {
		return &stepError{step: "look", err: err}
	}
	if rows != 1 || role != schema.Name {
		return foreign("it is of Milagro's schema %q, not %q", role, schema.Name)
	}
	return nil
}

func foreign(format string, args ...any) error {
	return &OpenError{
		err:    ErrDamaged,
		detail: fmt.Sprintf(format, args...),
		hint:   "the database was not changed: check the URL; each role has a database, or a schema in search_path, of its own",
	}
}
