-- A store of schema version 1 with one of everything.
PRAGMA foreign_keys = OFF;
BEGIN TRANSACTION;
CREATE TABLE _sqlx_migrations (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success BOOLEAN NOT NULL,
    checksum BLOB NOT NULL,
    execution_time BIGINT NOT NULL
);
INSERT INTO "_sqlx_migrations" VALUES(1,'first','2026-11-22 21:15:40',1,X'6FA3AE4D01F876B53AAA6B773BA7163815AB57593A34B55A5C919F9A5D4252802E43C76133EFB52EC0856853C960EA5C',1585466);
CREATE TABLE audit (
    number  INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at      BIGINT  NOT NULL,
    actor   TEXT    NOT NULL,
    action  TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    detail  TEXT    NOT NULL
);
INSERT INTO "audit" VALUES(1,1795382140873,'admin','device.add','Scanner 2nd floor','');
CREATE TABLE binding (
    device_id  TEXT   NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    mailbox_id TEXT   NOT NULL REFERENCES mailbox (id) ON DELETE CASCADE,
    position   BIGINT NOT NULL,
    PRIMARY KEY (device_id, mailbox_id)
);
INSERT INTO "binding" VALUES('majbagzy7p5wjjpd','7j12pangfze08rj1',0);
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
INSERT INTO "device" VALUES('majbagzy7p5wjjpd','Scanner 2nd floor','Scanner','scanner','generated',X'01C83A331C2C37AE94BC94758C256DC6BDEEC472A918551C64AE980A7E47436A2A805F0B550B62F834F3BD8ABABC37BCE5E208CE5440993BFBD544E81AA48A48C3170943794539247C193849666D34290D','["10.0.0.0/8"]','["smtp"]',1,1795382140867);
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
INSERT INTO "grant_" VALUES('4gja3jce8xcryqsm','exchange-online','contoso.com',NULL,'Scans@contoso.com',NULL,NULL,NULL,2,X'01C83A331C2C37AE948A43D441BE66F311ECC5C8309E702B282C5B1C1CE0334F0521E7E5B969FB4D7353A0DC876844D2AD7CFA2FC6F5A78A8C60F78D72EB5AB9',X'01C83A331C2C37AE94AC4561FFE55446D906967AF69C060695515E2E8EB4A2A021B21A43F2C867E43C9AF8FA83035D7D3B76D4B26DC7F095E2987968049DC56F',NULL,1795382140866,1795382140864);
CREATE TABLE mailbox (
    id          TEXT   NOT NULL PRIMARY KEY,
    address     TEXT   NOT NULL,
    address_key TEXT   NOT NULL UNIQUE,               -- the address in lower case
    grant_id    TEXT   NOT NULL REFERENCES grant_ (id) ON DELETE RESTRICT,
    created_at  BIGINT NOT NULL
);
INSERT INTO "mailbox" VALUES('7j12pangfze08rj1','Scans@contoso.com','scans@contoso.com','4gja3jce8xcryqsm',1795382140864);
CREATE TABLE setting (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);
INSERT INTO "setting" VALUES('greeting','hello');
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
INSERT INTO "sign_in" VALUES('3kscwv3mec4zrqvs','4gja3jce8xcryqsm','7j12pangfze08rj1','https://microsoft.com/devicelogin','ABCD1234',X'01C83A331C2C37AE949543F4BBE2996DDD7C16D7547CC64D718904CAF109B4D59FDD3127FFD3496AB36DA04260290C42FEE7F9E8765FCE9FF5F10D6C',5,4102444800000,'waiting',NULL,NULL,NULL,1795382140870);
CREATE TABLE vault (
    key_id      TEXT   NOT NULL PRIMARY KEY,
    check_value BLOB   NOT NULL,
    created_at  BIGINT NOT NULL
);
INSERT INTO "vault" VALUES('c83a331c2c37ae94',X'01C83A331C2C37AE9404E8375547C735B8089C120351987ED423DC958A12F03643D56EBE71EF3F4DA93618F57DCAD1651E36C6CF323FADC808CF',1795382140860);
CREATE INDEX mailbox_grant ON mailbox (grant_id);
CREATE INDEX binding_mailbox ON binding (mailbox_id);
CREATE UNIQUE INDEX sign_in_pending ON sign_in (grant_id) WHERE status NOT IN ('done', 'failed');
CREATE INDEX sign_in_mailbox ON sign_in (mailbox_id);
CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit trail is append only'); END;
CREATE TRIGGER audit_is_never_deleted BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit trail is append only'); END;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('audit',1);
COMMIT;
