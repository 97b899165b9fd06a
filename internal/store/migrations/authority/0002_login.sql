-- +goose Up

-- A code of purpose mpin is for one service; service is empty for the others.
CREATE TABLE codes_of_services (
    hash    BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    name    TEXT    NOT NULL,
    purpose TEXT    NOT NULL,
    service BLOB    NOT NULL CHECK (length(service) IN (0, 32)),
    expires BIGINT  NOT NULL,
    used    BOOLEAN NOT NULL DEFAULT FALSE,
    made    BIGINT  NOT NULL
);
INSERT INTO codes_of_services (hash, name, purpose, service, expires, used, made)
    SELECT hash, name, purpose, CAST('' AS BLOB), expires, used, made FROM codes;
DROP TABLE codes;
ALTER TABLE codes_of_services RENAME TO codes;
CREATE INDEX codes_by_name ON codes (name);

-- The issuance log, as before; a PIN change is a third basis.
CREATE TABLE issuances_on_succession (
    sequence     BIGINT NOT NULL PRIMARY KEY,
    time         BIGINT NOT NULL,
    request      BLOB   NOT NULL UNIQUE CHECK (length(request) = 32),
    basis        TEXT   NOT NULL CHECK (basis IN ('code', 'renewal', 'succession')),
    name         TEXT   NOT NULL,
    purpose      TEXT   NOT NULL,
    service      BLOB   NOT NULL CHECK (length(service) IN (0, 32)),
    device       BLOB   NOT NULL CHECK (length(device) = 32),
    epoch_start  BIGINT NOT NULL,
    epoch_length BIGINT NOT NULL,
    generation   BLOB   NOT NULL CHECK (length(generation) = 40)
);
INSERT INTO issuances_on_succession (sequence, time, request, basis, name, purpose, service, device, epoch_start, epoch_length, generation)
    SELECT sequence, time, request, basis, name, purpose, service, device, epoch_start, epoch_length, generation FROM issuances;
DROP TABLE issuances;
ALTER TABLE issuances_on_succession RENAME TO issuances;

-- Who decides here, two together: each with a key of his own.
CREATE TABLE operators (
    key     BLOB   NOT NULL PRIMARY KEY CHECK (length(key) = 32),
    name    TEXT   NOT NULL UNIQUE,
    entered BIGINT NOT NULL
);

-- What operators approved, by the hash of what each signed: an approval counts
-- once, whoever shows it again. used is what consumed it: the hash of a server key
-- request or of a subject; empty until then.
CREATE TABLE operator_approvals (
    hash     BLOB   NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    operator BLOB   NOT NULL REFERENCES operators (key),
    act      TEXT   NOT NULL CHECK (act IN ('server-key', 'operator')),
    subject  BLOB   NOT NULL,
    approval BLOB   NOT NULL,
    received BIGINT NOT NULL,
    used     BLOB   NOT NULL CHECK (length(used) IN (0, 32))
);
CREATE INDEX operator_approvals_by_subject ON operator_approvals (act, subject);

-- Shares of server keys that were delivered: one row each, committed before it
-- leaves.
CREATE TABLE deliveries (
    sequence   BIGINT NOT NULL PRIMARY KEY,
    time       BIGINT NOT NULL,
    request    BLOB   NOT NULL UNIQUE CHECK (length(request) = 32),
    service    BLOB   NOT NULL CHECK (length(service) = 32),
    generation BLOB   NOT NULL CHECK (length(generation) = 40)
);
