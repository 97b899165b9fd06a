package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"

	"modernc.org/sqlite"
)

// keptStatements bounds the statements that one connection keeps; a role has fewer.
const keptStatements = 128

// preparing opens connections to one SQLite file that compile each statement once:
// of small transactions, compiling them was the greater part.
type preparing struct{ dsn string }

// Connect opens a connection.
func (p preparing) Connect(context.Context) (driver.Conn, error) {
	opened, err := new(sqlite.Driver).Open(p.dsn)
	if err != nil {
		return nil, err
	}
	c := &preparedConn{Conn: opened, idle: map[string]driver.Stmt{}}
	var all [4]bool
	c.ConnBeginTx, all[0] = opened.(driver.ConnBeginTx)
	c.ConnPrepareContext, all[1] = opened.(driver.ConnPrepareContext)
	c.SessionResetter, all[2] = opened.(driver.SessionResetter)
	c.Validator, all[3] = opened.(driver.Validator)
	if all != [4]bool{true, true, true, true} {
		return nil, errors.Join(errors.New("the SQLite driver is not the one that was built for"), opened.Close())
	}
	return c, nil
}

// Driver returns the driver of SQLite.
func (p preparing) Driver() driver.Driver { return new(sqlite.Driver) }

// preparedConn is a connection with the statements that are not in use. Like every
// connection it serves one goroutine at a time.
type preparedConn struct {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.SessionResetter
	driver.Validator
	idle map[string]driver.Stmt
}

// ExecContext runs a statement. Those that are not kept are left to database/sql.
func (c *preparedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	s, err := c.take(ctx, query)
	if err != nil {
		return nil, err
	}
	defer c.put(query, s)
	return s.(driver.StmtExecContext).ExecContext(ctx, args)
}

// QueryContext runs a statement and returns its rows, which keep it until they are
// closed.
func (c *preparedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	s, err := c.take(ctx, query)
	if err != nil {
		return nil, err
	}
	found, err := s.(driver.StmtQueryContext).QueryContext(ctx, args)
	if err != nil {
		c.put(query, s)
		return nil, err
	}
	return &preparedRows{found, func() { c.put(query, s) }}, nil
}

// take returns a statement that nobody else uses, until put; driver.ErrSkip for one
// that is not kept.
func (c *preparedConn) take(ctx context.Context, query string) (driver.Stmt, error) {
	if !keeps(query) {
		return nil, driver.ErrSkip
	}
	if s, ok := c.idle[query]; ok {
		delete(c.idle, query)
		return s, nil
	}
	return c.PrepareContext(ctx, query)
}

// put keeps a statement, unless there are enough, or it ran within itself.
func (c *preparedConn) put(query string, s driver.Stmt) {
	if _, twice := c.idle[query]; twice || len(c.idle) >= keptStatements {
		s.Close() // compiled again when it is needed
		return
	}
	c.idle[query] = s
}

// keeps reports whether a statement is one of those that come again and again.
func keeps(query string) bool {
	verb, _, _ := strings.Cut(strings.TrimSpace(query), " ")
	switch verb {
	case "SELECT", "INSERT", "UPDATE", "DELETE", "SAVEPOINT", "RELEASE":
		return true
	}
	return false
}

// Close closes the statements and then the connection.
func (c *preparedConn) Close() error {
	var errs []error
	for _, s := range c.idle {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, c.Conn.Close())...)
}

// preparedRows gives a statement back when it is closed.
type preparedRows struct {
	driver.Rows
	put func()
}

// Close closes the rows; it may be called again.
func (r *preparedRows) Close() error {
	err := r.Rows.Close()
	if r.put != nil {
		r.put()
		r.put = nil
	}
	return err
}
