-- +goose Up

-- The OpenID provider (spec/openid.md). Whatever a client or a browser shows is here
-- as its SHA-256 alone.

-- Applications that the operator added; those of the configuration are not here. A
-- public one has no secret. The two lists have one URL a line.
CREATE TABLE openid_clients (
    client       TEXT   NOT NULL PRIMARY KEY,
    secret       BLOB   CHECK (secret IS NULL OR length(secret) = 32),
    redirects    TEXT   NOT NULL,
    post_logouts TEXT   NOT NULL,
    made         BIGINT NOT NULL
);

-- What an application asked for, until somebody has signed in: taken away by the one
-- sign-in that answers it, in the browser that brought it. Without a client it is the
-- way back to a page behind forward authentication.
CREATE TABLE openid_requests (
    request   BLOB   NOT NULL PRIMARY KEY CHECK (length(request) = 32),
    browser   BLOB   NOT NULL CHECK (length(browser) = 32),
    client    TEXT   NOT NULL,
    redirect  TEXT   NOT NULL,
    scopes    TEXT   NOT NULL,
    state     TEXT   NOT NULL,
    nonce     TEXT   NOT NULL,
    challenge TEXT   NOT NULL,
    hint      TEXT   NOT NULL,
    made      BIGINT NOT NULL,
    expires   BIGINT NOT NULL
);
CREATE INDEX openid_requests_by_end ON openid_requests (expires);

-- Statements of logins that signed somebody in: each does so once.
CREATE TABLE openid_statements (
    statement BLOB   NOT NULL PRIMARY KEY CHECK (length(statement) = 32),
    expires   BIGINT NOT NULL
);
CREATE INDEX openid_statements_by_end ON openid_statements (expires);

-- Who is signed in, in which browser, from which device. expires ends what the
-- browser's cookie is good for; ended, which a logout sets, and the revocation of the
-- device end everything that was given in the session. kept is how long the row stays.
CREATE TABLE openid_sessions (
    session       BLOB    NOT NULL PRIMARY KEY CHECK (length(session) = 32),
    service       BLOB    NOT NULL CHECK (length(service) = 32),
    name          TEXT    NOT NULL,
    device        BLOB    NOT NULL CHECK (length(device) = 32),
    sub           TEXT    NOT NULL,
    authenticated BIGINT  NOT NULL,
    expires       BIGINT  NOT NULL,
    kept          BIGINT  NOT NULL,
    ended         BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE INDEX openid_sessions_by_end ON openid_sessions (kept);

-- Codes: used by the first try, good or bad, and kept a while so that a second one
-- is noticed.
CREATE TABLE openid_codes (
    code      BLOB    NOT NULL PRIMARY KEY CHECK (length(code) = 32),
    session   BLOB    NOT NULL CHECK (length(session) = 32),
    client    TEXT    NOT NULL,
    redirect  TEXT    NOT NULL,
    scopes    TEXT    NOT NULL,
    nonce     TEXT    NOT NULL,
    challenge TEXT    NOT NULL,
    expires   BIGINT  NOT NULL,
    kept      BIGINT  NOT NULL,
    used      BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE INDEX openid_codes_by_end ON openid_codes (kept);

-- A family is all tokens that came of one code. Whatever is wrong with one of them
-- revokes them all.
CREATE TABLE openid_families (
    family  BLOB    NOT NULL PRIMARY KEY CHECK (length(family) = 32),
    session BLOB    NOT NULL CHECK (length(session) = 32),
    client  TEXT    NOT NULL,
    scopes  TEXT    NOT NULL,
    code    BLOB    NOT NULL UNIQUE CHECK (length(code) = 32),
    expires BIGINT  NOT NULL,
    revoked BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE INDEX openid_families_by_end ON openid_families (expires);
CREATE INDEX openid_families_by_client ON openid_families (client);

-- Tokens of a family. A refresh token is used once: shown again, it revokes its family.
CREATE TABLE openid_tokens (
    token   BLOB    NOT NULL PRIMARY KEY CHECK (length(token) = 32),
    family  BLOB    NOT NULL CHECK (length(family) = 32),
    kind    TEXT    NOT NULL CHECK (kind IN ('access', 'refresh')),
    made    BIGINT  NOT NULL,
    expires BIGINT  NOT NULL,
    used    BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE INDEX openid_tokens_by_end ON openid_tokens (expires);

-- Public keys with which any server of this database signs: each publishes all.
CREATE TABLE openid_keys (
    key  TEXT   NOT NULL PRIMARY KEY,
    jwk  TEXT   NOT NULL,
    ends BIGINT NOT NULL
);
