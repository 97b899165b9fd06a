-- +goose Up

-- Tokens of issuers that bind no device: each enrols once. hash is that of issuer
-- and token; expires, when the token itself is refused for its age.
CREATE TABLE tokens (
    hash    BLOB   NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    expires BIGINT NOT NULL
);
CREATE INDEX tokens_by_expiry ON tokens (expires);

-- The issuance log, as before; a token is a fourth basis.
CREATE TABLE issuances_on_tokens (
    sequence     BIGINT NOT NULL PRIMARY KEY,
    time         BIGINT NOT NULL,
    request      BLOB   NOT NULL UNIQUE CHECK (length(request) = 32),
    basis        TEXT   NOT NULL CHECK (basis IN ('code', 'renewal', 'succession', 'jwt')),
    name         TEXT   NOT NULL,
    purpose      TEXT   NOT NULL,
    service      BLOB   NOT NULL CHECK (length(service) IN (0, 32)),
    device       BLOB   NOT NULL CHECK (length(device) = 32),
    epoch_start  BIGINT NOT NULL,
    epoch_length BIGINT NOT NULL,
    generation   BLOB   NOT NULL CHECK (length(generation) = 40)
);
INSERT INTO issuances_on_tokens (sequence, time, request, basis, name, purpose, service, device, epoch_start, epoch_length, generation)
    SELECT sequence, time, request, basis, name, purpose, service, device, epoch_start, epoch_length, generation FROM issuances;
DROP TABLE issuances;
ALTER TABLE issuances_on_tokens RENAME TO issuances;
