-- +goose Up

-- Invitations, by the hash of their token: each for one name, and from when a device
-- has asked for vouchers for that one (until then device is empty). kind says who
-- asked for it: the operator, or whoever knows the mailbox.
CREATE TABLE invitations (
    token   BLOB    NOT NULL PRIMARY KEY CHECK (length(token) = 32),
    service BLOB    NOT NULL CHECK (length(service) = 32),
    name    TEXT    NOT NULL,
    kind    TEXT    NOT NULL CHECK (kind IN ('operator', 'mail')),
    made    BIGINT  NOT NULL,
    expires BIGINT  NOT NULL,
    device  BLOB    NOT NULL CHECK (length(device) IN (0, 32)),
    spent   BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE INDEX invitations_by_name ON invitations (name, made);
CREATE INDEX invitations_by_expiry ON invitations (expires);

-- People who asked for a mail with an invitation that no mail server has taken yet.
-- The invitation itself is made when it is sent: no token waits here.
CREATE TABLE invited (
    service BLOB   NOT NULL CHECK (length(service) = 32),
    name    TEXT   NOT NULL,
    asked   BIGINT NOT NULL,
    due     BIGINT NOT NULL,
    tries   BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (service, name)
);
CREATE INDEX invited_by_due ON invited (due);

-- The audit, as before; invitations are decisions too.
CREATE TABLE audit_of_enrolment (
    time     BIGINT  NOT NULL,
    number   BIGINT  NOT NULL,
    name     TEXT    NOT NULL,
    device   BLOB    NOT NULL CHECK (length(device) = 32),
    event    TEXT    NOT NULL CHECK (event IN ('tried', 'accepted', 'refused', 'locked', 'unlocked', 'revoked',
                                               'row-made', 'row-refused', 'change-begun', 'pin-changed', 'restored',
                                               'invited', 'vouched', 'withdrawn')),
    reason   TEXT    NOT NULL DEFAULT '',
    stranger BOOLEAN NOT NULL DEFAULT FALSE,
    PRIMARY KEY (time, number)
);
INSERT INTO audit_of_enrolment (time, number, name, device, event, reason, stranger)
    SELECT time, number, name, device, event, reason, stranger FROM audit;
DROP TABLE audit;
ALTER TABLE audit_of_enrolment RENAME TO audit;
CREATE INDEX audit_by_name ON audit (name, time);
CREATE INDEX audit_of_strangers ON audit (time) WHERE stranger;
