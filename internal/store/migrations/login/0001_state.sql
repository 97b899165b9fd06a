-- +goose Up

-- The rows of spec/mpin.md "Rows": which device logs in under which name. A row is
-- made once and never replaced. streak counts wrong PINs in a row, total those
-- since enrolment, tried is the time of the last counted attempt. locked follows from
-- them in the statement that counts; told says that the lock's mail was queued.
CREATE TABLE devices (
    service      BLOB    NOT NULL CHECK (length(service) = 32),
    name         TEXT    NOT NULL,
    device       BLOB    NOT NULL CHECK (length(device) = 32),
    channel_kind BIGINT  NOT NULL CHECK (channel_kind IN (0, 1)),
    made         BIGINT  NOT NULL,
    streak       BIGINT  NOT NULL DEFAULT 0 CHECK (streak BETWEEN 0 AND 5),
    total        BIGINT  NOT NULL DEFAULT 0 CHECK (total BETWEEN 0 AND 50),
    tried        BIGINT  NOT NULL DEFAULT 0,
    accepted     BIGINT  NOT NULL DEFAULT 0,
    locked       BOOLEAN NOT NULL DEFAULT FALSE,
    told         BOOLEAN NOT NULL DEFAULT FALSE,
    revoked      BOOLEAN NOT NULL DEFAULT FALSE,
    PRIMARY KEY (service, name, device)
);
CREATE INDEX devices_revoked ON devices (service, name, device) WHERE revoked;
CREATE INDEX devices_locked ON devices (service, name, device) WHERE locked AND NOT told;

-- Logins between their two passes: taken away by the one finish that gets them.
CREATE TABLE sessions (
    session    BLOB   NOT NULL PRIMARY KEY CHECK (length(session) = 32),
    transcript BLOB   NOT NULL,
    expires    BIGINT NOT NULL
);
CREATE INDEX sessions_by_end ON sessions (expires);

-- The highest permit epoch of an accepted login: a clock set back revives none.
CREATE TABLE watermarks (
    service      BLOB   NOT NULL PRIMARY KEY CHECK (length(service) = 32),
    epoch_start  BIGINT NOT NULL,
    epoch_length BIGINT NOT NULL
);

-- PIN changes: successor is the device that a login with the old PIN named. One
-- is pending for a device; what another replaced makes no row any more.
CREATE TABLE successions (
    service   BLOB    NOT NULL CHECK (length(service) = 32),
    name      TEXT    NOT NULL,
    successor BLOB    NOT NULL CHECK (length(successor) = 32),
    device    BLOB    NOT NULL CHECK (length(device) = 32),
    state     TEXT    NOT NULL CHECK (state IN ('pending', 'done', 'replaced')),
    has_row   BOOLEAN NOT NULL DEFAULT FALSE,
    made      BIGINT  NOT NULL,
    PRIMARY KEY (service, name, successor)
);
CREATE UNIQUE INDEX one_pending_succession ON successions (service, name, device) WHERE state = 'pending';

-- Notices of revoked devices that an authority does not have yet.
CREATE TABLE notices (
    service   BLOB   NOT NULL CHECK (length(service) = 32),
    name      TEXT   NOT NULL,
    device    BLOB   NOT NULL CHECK (length(device) = 32),
    authority BIGINT NOT NULL CHECK (authority BETWEEN 1 AND 16),
    revoked   BIGINT NOT NULL,
    due       BIGINT NOT NULL,
    tries     BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (service, name, device, authority)
);
CREATE INDEX notices_by_due ON notices (due);

-- Mails to owners of locked devices that no mail server has taken yet.
CREATE TABLE mails (
    service BLOB   NOT NULL CHECK (length(service) = 32),
    name    TEXT   NOT NULL,
    device  BLOB   NOT NULL CHECK (length(device) = 32),
    locked  BIGINT NOT NULL,
    streak  BIGINT NOT NULL,
    total   BIGINT NOT NULL,
    due     BIGINT NOT NULL,
    tries   BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (service, name, device, locked)
);
CREATE INDEX mails_by_due ON mails (due);

-- What was decided about a name and a device, one row a decision; number makes
-- two of one microsecond different. An attempt that stays 'tried' was counted,
-- and then the process or the database was gone. stranger marks attempts of who
-- has no row: they are kept for a day, the others for as long as is configured.
CREATE TABLE audit (
    time     BIGINT  NOT NULL,
    number   BIGINT  NOT NULL,
    name     TEXT    NOT NULL,
    device   BLOB    NOT NULL CHECK (length(device) = 32),
    event    TEXT    NOT NULL CHECK (event IN ('tried', 'accepted', 'refused', 'locked', 'unlocked', 'revoked',
                                               'row-made', 'row-refused', 'change-begun', 'pin-changed', 'restored')),
    reason   TEXT    NOT NULL DEFAULT '',
    stranger BOOLEAN NOT NULL DEFAULT FALSE,
    PRIMARY KEY (time, number)
);
CREATE INDEX audit_by_name ON audit (name, time);
CREATE INDEX audit_of_strangers ON audit (time) WHERE stranger;
