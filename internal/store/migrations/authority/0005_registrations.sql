-- +goose Up

-- Codes that were mailed and not used yet: one for a name and device at a login
-- service, the newest. hash is that of the authority's signature of the code, which
-- cannot be searched for; request, of what asked for the mail; tries, how many codes
-- were compared with it.
CREATE TABLE mailed_codes (
    name    TEXT   NOT NULL,
    service BLOB   NOT NULL CHECK (length(service) = 32),
    device  BLOB   NOT NULL CHECK (length(device) = 32),
    hash    BLOB   NOT NULL CHECK (length(hash) = 32),
    request BLOB   NOT NULL CHECK (length(request) = 32),
    expires BIGINT NOT NULL,
    tries   BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (name, service, device)
);
CREATE INDEX mailed_codes_by_expiry ON mailed_codes (expires);

-- The issuance log, as before; the voucher of a registration authority is a fifth
-- basis. Used ones are remembered beside used tokens.
CREATE TABLE issuances_on_vouchers (
    sequence     BIGINT NOT NULL PRIMARY KEY,
    time         BIGINT NOT NULL,
    request      BLOB   NOT NULL UNIQUE CHECK (length(request) = 32),
    basis        TEXT   NOT NULL CHECK (basis IN ('code', 'renewal', 'succession', 'jwt', 'voucher')),
    name         TEXT   NOT NULL,
    purpose      TEXT   NOT NULL,
    service      BLOB   NOT NULL CHECK (length(service) IN (0, 32)),
    device       BLOB   NOT NULL CHECK (length(device) = 32),
    epoch_start  BIGINT NOT NULL,
    epoch_length BIGINT NOT NULL,
    generation   BLOB   NOT NULL CHECK (length(generation) = 40)
);
INSERT INTO issuances_on_vouchers (sequence, time, request, basis, name, purpose, service, device, epoch_start, epoch_length, generation)
    SELECT sequence, time, request, basis, name, purpose, service, device, epoch_start, epoch_length, generation FROM issuances;
DROP TABLE issuances;
ALTER TABLE issuances_on_vouchers RENAME TO issuances;
