-- +goose Up

-- Devices whose enrolment for channels was revoked here, and when: what the
-- signed list names. Those of before this table were revoked by the time of the
-- log's last row.
CREATE TABLE revocations (
    name    TEXT   NOT NULL,
    device  BLOB   NOT NULL CHECK (length(device) = 32),
    revoked BIGINT NOT NULL,
    PRIMARY KEY (name, device)
);
CREATE INDEX revocations_by_time ON revocations (revoked);
INSERT INTO revocations (name, device, revoked)
    SELECT name, device, COALESCE((SELECT MAX(time) FROM issuances), 0) FROM enrolments WHERE purpose = 'channel' AND revoked;

-- The sequence of the last list that was signed: one row, which only grows.
CREATE TABLE revocation_lists (
    place    BIGINT NOT NULL PRIMARY KEY CHECK (place = 1),
    sequence BIGINT NOT NULL
);
