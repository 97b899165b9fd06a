-- +goose Up

-- What people call their devices, for themselves: in no decision.
CREATE TABLE labels (
    name   TEXT NOT NULL,
    device BLOB NOT NULL CHECK (length(device) = 32),
    label  TEXT NOT NULL,
    PRIMARY KEY (name, device)
);
