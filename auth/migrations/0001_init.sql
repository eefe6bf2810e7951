-- Accounts, roles, sessions, refresh tokens, login failures, service credentials (spec/auth.md section 3).
-- One text for SQLite and PostgreSQL; times are always bound, never defaulted.

-- Integer keys have no common DDL. The row is also the lock that orders changes of who is an administrator.
CREATE TABLE counters (
    name TEXT NOT NULL PRIMARY KEY,
    next BIGINT NOT NULL
);
INSERT INTO counters (name, next) VALUES ('users', 0);

CREATE TABLE users (
    id BIGINT NOT NULL PRIMARY KEY,
    email TEXT,
    -- NFC, trimmed, lower case, made in Rust: LOWER of SQLite knows ASCII only
    email_norm TEXT UNIQUE,
    username TEXT NOT NULL,
    username_norm TEXT NOT NULL UNIQUE,
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    active BOOLEAN NOT NULL,
    -- false: a person without a login (a young child, an imported person)
    login_enabled BOOLEAN NOT NULL,
    email_verified_at TIMESTAMPTZ,
    password_hash TEXT,
    -- the password in use is not proven whole, or was set by somebody else
    must_change BOOLEAN NOT NULL,
    roles_version BIGINT NOT NULL,
    version BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    -- where an imported person comes from
    source TEXT,
    source_id TEXT,
    UNIQUE (source, source_id)
);

-- The history of roles; the row without an end holds now. `member` is implied and has no row.
CREATE TABLE role_grants (
    user_id BIGINT NOT NULL REFERENCES users (id),
    role TEXT NOT NULL,
    granted_by BIGINT,
    reason TEXT,
    from_at TIMESTAMPTZ NOT NULL,
    until_at TIMESTAMPTZ,
    PRIMARY KEY (user_id, role, from_at)
);
CREATE INDEX role_grants_role ON role_grants (role, until_at);

CREATE TABLE sessions (
    id UUID NOT NULL PRIMARY KEY,
    user_id BIGINT NOT NULL REFERENCES users (id),
    created_at TIMESTAMPTZ NOT NULL,
    last_seen_at TIMESTAMPTZ NOT NULL,
    absolute_expiry TIMESTAMPTZ NOT NULL,
    ip TEXT,
    user_agent TEXT,
    label TEXT,
    revoked_at TIMESTAMPTZ,
    revoke_reason TEXT
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (absolute_expiry);

-- SHA-256 of 256 random bits, never the token itself.
CREATE TABLE refresh_tokens (
    id UUID NOT NULL PRIMARY KEY,
    session_id UUID NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    hash BYTEA NOT NULL UNIQUE,
    parent_id UUID,
    issued_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    used_at TIMESTAMPTZ,
    -- how many tokens were issued for it
    children BIGINT NOT NULL
);
CREATE INDEX refresh_tokens_session ON refresh_tokens (session_id);
CREATE INDEX refresh_tokens_expiry ON refresh_tokens (expires_at);

-- Per login name, known or not; the key is a hash, so that the table names nobody.
CREATE TABLE login_failures (
    key_hash BYTEA NOT NULL PRIMARY KEY,
    window_start TIMESTAMPTZ NOT NULL,
    count BIGINT NOT NULL,
    locked_until TIMESTAMPTZ
);
CREATE INDEX login_failures_age ON login_failures (window_start);

CREATE TABLE service_credentials (
    name TEXT NOT NULL PRIMARY KEY,
    secret_hash BYTEA NOT NULL,
    scopes TEXT NOT NULL,
    rotated_at TIMESTAMPTZ NOT NULL
);

-- The token for the first administrator; at most one row is unused.
CREATE TABLE setup (
    hash BYTEA NOT NULL PRIMARY KEY,
    created_at TIMESTAMPTZ NOT NULL,
    used_at TIMESTAMPTZ
);
