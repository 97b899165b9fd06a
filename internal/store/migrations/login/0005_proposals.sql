-- +goose Up

-- Acts that two operators decide together (spec/operators.md): proposed by whoever is
-- at the operator's socket, done by the approval that makes two. act is its JSON.
CREATE TABLE proposals (
    proposal BLOB    NOT NULL PRIMARY KEY CHECK (length(proposal) = 16),
    act      TEXT    NOT NULL,
    made     BIGINT  NOT NULL,
    expires  BIGINT  NOT NULL,
    done     BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE INDEX proposals_by_time ON proposals (made);

-- Who approved what, by key, with the signature: one of each operator.
CREATE TABLE proposal_approvals (
    proposal BLOB   NOT NULL CHECK (length(proposal) = 16),
    operator BLOB   NOT NULL CHECK (length(operator) = 32),
    approval BLOB   NOT NULL,
    given    BIGINT NOT NULL,
    PRIMARY KEY (proposal, operator)
);

-- The audit, as before; proposals and approvals are decisions too.
CREATE TABLE audit_of_operators (
    time     BIGINT  NOT NULL,
    number   BIGINT  NOT NULL,
    name     TEXT    NOT NULL,
    device   BLOB    NOT NULL CHECK (length(device) = 32),
    event    TEXT    NOT NULL CHECK (event IN ('tried', 'accepted', 'refused', 'locked', 'unlocked', 'revoked',
                                               'row-made', 'row-refused', 'change-begun', 'pin-changed', 'restored',
                                               'invited', 'vouched', 'withdrawn', 'proposed', 'approved', 'dropped', 'client-added')),
    reason   TEXT    NOT NULL DEFAULT '',
    stranger BOOLEAN NOT NULL DEFAULT FALSE,
    PRIMARY KEY (time, number)
);
INSERT INTO audit_of_operators (time, number, name, device, event, reason, stranger)
    SELECT time, number, name, device, event, reason, stranger FROM audit;
DROP TABLE audit;
ALTER TABLE audit_of_operators RENAME TO audit;
CREATE INDEX audit_by_name ON audit (name, time);
CREATE INDEX audit_of_strangers ON audit (time) WHERE stranger;
