-- Times are milliseconds since 1970, UTC. Ids are random text made before the insert, because the
-- vault binds every sealed value to its row.

-- The master key that sealed this store, and a value sealed under it: what a start checks first.
CREATE TABLE vault (
    key_id      TEXT   NOT NULL PRIMARY KEY,
    check_value BLOB   NOT NULL,
    created_at  BIGINT NOT NULL
);

-- One sign-in. It owns the refresh token; mailboxes point to it. ("grant" is a word of SQL.)
CREATE TABLE grant_ (
    id                     TEXT   NOT NULL PRIMARY KEY,
    provider               TEXT   NOT NULL,
    tenant                 TEXT,
    client_id              TEXT,
    expected_account       TEXT   NOT NULL,
    pinned_issuer          TEXT,
    pinned_subject         TEXT,
    account                TEXT,
    generation             BIGINT NOT NULL DEFAULT 0, -- counts saved refresh tokens
    refresh_token          BLOB,
    previous_refresh_token BLOB,                      -- kept until the newer one has been used
    trouble                TEXT,                      -- JSON
    renewed_at             BIGINT,
    created_at             BIGINT NOT NULL,
    CHECK ((pinned_issuer IS NULL) = (pinned_subject IS NULL))
);

CREATE TABLE mailbox (
    id          TEXT   NOT NULL PRIMARY KEY,
    address     TEXT   NOT NULL,
    address_key TEXT   NOT NULL UNIQUE,               -- the address in lower case
    grant_id    TEXT   NOT NULL REFERENCES grant_ (id) ON DELETE RESTRICT,
    created_at  BIGINT NOT NULL
);
CREATE INDEX mailbox_grant ON mailbox (grant_id);

CREATE TABLE device (
    id            TEXT   NOT NULL PRIMARY KEY,
    name          TEXT   NOT NULL,
    login         TEXT   NOT NULL,
    login_key     TEXT   NOT NULL UNIQUE,             -- the login in lower case
    password_kind TEXT   NOT NULL CHECK (password_kind IN ('none', 'generated', 'chosen')),
    password      BLOB,                               -- the verifier, sealed
    networks      TEXT   NOT NULL,                    -- JSON list; empty: from anywhere
    protocols     TEXT   NOT NULL,                    -- JSON list; empty: all
    enabled       BIGINT NOT NULL CHECK (enabled IN (0, 1)),
    created_at    BIGINT NOT NULL,
    CHECK ((password_kind = 'none') = (password IS NULL))
);

-- Which mailboxes a device may use; the lowest position is its default.
CREATE TABLE binding (
    device_id  TEXT   NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    mailbox_id TEXT   NOT NULL REFERENCES mailbox (id) ON DELETE CASCADE,
    position   BIGINT NOT NULL,
    PRIMARY KEY (device_id, mailbox_id)
);
CREATE INDEX binding_mailbox ON binding (mailbox_id);

-- A sign-in under way, or the last one of its grant.
CREATE TABLE sign_in (
    id            TEXT   NOT NULL PRIMARY KEY,
    grant_id      TEXT   NOT NULL REFERENCES grant_ (id) ON DELETE CASCADE,
    mailbox_id    TEXT   REFERENCES mailbox (id) ON DELETE SET NULL,
    link          TEXT   NOT NULL,
    user_code     TEXT   NOT NULL,
    device_code   BLOB,                               -- sealed; NULL when no longer of use
    poll_seconds  BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL,
    status        TEXT   NOT NULL
                  CHECK (status IN ('waiting', 'needs-confirmation', 'proving', 'done', 'failed')),
    account       TEXT,
    tokens        BLOB,                               -- sealed; held until confirmed and proved
    outcome       TEXT,                               -- why it failed, or a note, for a person
    created_at    BIGINT NOT NULL
);
-- However many devices wait for a grant, one code is shown.
CREATE UNIQUE INDEX sign_in_pending ON sign_in (grant_id) WHERE status NOT IN ('done', 'failed');
CREATE INDEX sign_in_mailbox ON sign_in (mailbox_id);

CREATE TABLE setting (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE audit (
    number  INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at      BIGINT  NOT NULL,
    actor   TEXT    NOT NULL,
    action  TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    detail  TEXT    NOT NULL
);
CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit trail is append only'); END;
CREATE TRIGGER audit_is_never_deleted BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit trail is append only'); END;
