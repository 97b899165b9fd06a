-- +goose Up

-- Plans to which the operator agreed; place is this authority's index in one.
CREATE TABLE plans (
    hash   BLOB   NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    plan   BLOB   NOT NULL,
    place  BIGINT NOT NULL CHECK (place BETWEEN 1 AND 16),
    signed BIGINT NOT NULL
);

-- What this authority signed last in a run of a plan: Confirm or Abort, one row
-- and so never both. A confirmed run ends as certified, or as released by the
-- aborts of t authorities; superseded means that the operator agreed to the plan
-- again, so that another run may begin while the end of this one is unknown.
CREATE TABLE runs (
    id          BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    plan        BLOB    NOT NULL REFERENCES plans (hash),
    choice      TEXT    NOT NULL CHECK (choice IN ('confirm', 'abort')),
    message     BLOB    NOT NULL,
    generation  BLOB    NOT NULL CHECK (length(generation) = CASE choice WHEN 'confirm' THEN 40 ELSE 0 END),
    certificate BLOB,
    tried       BOOLEAN NOT NULL DEFAULT FALSE,
    released    BOOLEAN NOT NULL DEFAULT FALSE,
    superseded  BOOLEAN NOT NULL DEFAULT FALSE,
    chosen      BIGINT  NOT NULL
);
CREATE UNIQUE INDEX one_confirmed_run ON runs (plan) WHERE choice = 'confirm' AND NOT released AND NOT superseded;

-- Documents to which the operator agreed through the admin socket.
CREATE TABLE agreements (
    hash     BLOB   NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    revision BIGINT NOT NULL CHECK (revision > 0),
    agreed   BIGINT NOT NULL
);

-- The one hash of each revision that this authority approves and signs.
CREATE TABLE approvals (
    revision BIGINT  NOT NULL PRIMARY KEY CHECK (revision > 0),
    hash     BLOB    NOT NULL CHECK (length(hash) = 32),
    shared   BOOLEAN NOT NULL DEFAULT FALSE,
    approved BIGINT  NOT NULL
);

-- Fully signed documents. Two of one revision are evidence: both stay, and
-- neither is served.
CREATE TABLE documents (
    hash      BLOB   NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    revision  BIGINT NOT NULL CHECK (revision > 0),
    document  BLOB   NOT NULL,
    signature BLOB   NOT NULL CHECK (length(signature) = 48),
    received  BIGINT NOT NULL
);
CREATE INDEX documents_by_revision ON documents (revision);

CREATE TABLE stamps (
    hash  BLOB   NOT NULL REFERENCES documents (hash),
    day   BIGINT NOT NULL,
    stamp BLOB   NOT NULL,
    PRIMARY KEY (hash, day)
);

-- One-time codes by their hash; the code itself is kept nowhere.
CREATE TABLE codes (
    hash    BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    name    TEXT    NOT NULL,
    purpose TEXT    NOT NULL,
    expires BIGINT  NOT NULL,
    used    BOOLEAN NOT NULL DEFAULT FALSE,
    made    BIGINT  NOT NULL
);
CREATE INDEX codes_by_name ON codes (name);

-- service is empty for the public master.
CREATE TABLE enrolments (
    name     TEXT    NOT NULL,
    purpose  TEXT    NOT NULL,
    service  BLOB    NOT NULL CHECK (length(service) IN (0, 32)),
    device   BLOB    NOT NULL CHECK (length(device) = 32),
    enrolled BIGINT  NOT NULL,
    revoked  BOOLEAN NOT NULL DEFAULT FALSE,
    PRIMARY KEY (name, purpose, service, device)
);

-- The issuance log: one row for each share, committed before it leaves.
CREATE TABLE issuances (
    sequence     BIGINT NOT NULL PRIMARY KEY,
    time         BIGINT NOT NULL,
    request      BLOB   NOT NULL UNIQUE CHECK (length(request) = 32),
    basis        TEXT   NOT NULL CHECK (basis IN ('code', 'renewal')),
    name         TEXT   NOT NULL,
    purpose      TEXT   NOT NULL,
    service      BLOB   NOT NULL CHECK (length(service) IN (0, 32)),
    device       BLOB   NOT NULL CHECK (length(device) = 32),
    epoch_start  BIGINT NOT NULL,
    epoch_length BIGINT NOT NULL,
    generation   BLOB   NOT NULL CHECK (length(generation) = 40)
);

-- Answers as they were sent, for 24 hours. Each is sealed to a key that lives
-- in its applicant's memory: nobody who reads this table opens one.
CREATE TABLE replies (
    request BLOB   NOT NULL PRIMARY KEY CHECK (length(request) = 32),
    reply   BLOB   NOT NULL,
    made    BIGINT NOT NULL
);
CREATE INDEX replies_by_age ON replies (made);

-- Counters of one window each; ends is the first moment after it.
CREATE TABLE rates (
    bucket TEXT   NOT NULL,
    ends   BIGINT NOT NULL,
    count  BIGINT NOT NULL,
    PRIMARY KEY (bucket, ends)
);
CREATE INDEX rates_by_end ON rates (ends);
