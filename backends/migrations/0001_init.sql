-- What every service database has beside its own tables. One text for both databases; IDENTITY_KEY and the append_only
-- directive are expanded by backends::db::directive.

-- Events that a committed change promised and the relay has not delivered yet. Rows leave when the bus has them.
CREATE TABLE outbox (
    seq        IDENTITY_KEY,
    topic      TEXT NOT NULL,
    key        TEXT NOT NULL,
    event_id   UUID NOT NULL UNIQUE,
    event_type TEXT NOT NULL,
    payload    BYTEA NOT NULL,
    headers    JSONB NOT NULL,
    at         TIMESTAMPTZ NOT NULL
);

-- Who may do a job of which only one may run at a time (relay, chainer).
CREATE TABLE leases (
    name       TEXT NOT NULL PRIMARY KEY,
    holder     TEXT NOT NULL,
    held_until TIMESTAMPTZ NOT NULL
);

-- spec/privacy-audit.md section 3. `entry` is the order of arrival and no part of the record; seq, prev_hash and hash
-- are filled in once, in order, by the chainer.
CREATE TABLE audit (
    entry        IDENTITY_KEY,
    seq          BIGINT UNIQUE,
    at           TIMESTAMPTZ NOT NULL,
    actor        BIGINT,
    on_behalf_of BIGINT,
    action       TEXT NOT NULL,
    object       TEXT NOT NULL,
    reason       TEXT,
    before_c     BYTEA,
    after_c      BYTEA,
    from_c       BYTEA,
    request_id   TEXT,
    prev_hash    BYTEA,
    hash         BYTEA
);
-- append_only: audit once hash is set
CREATE INDEX audit_unchained ON audit (entry) WHERE seq IS NULL;
CREATE INDEX audit_object ON audit (object, seq);
CREATE INDEX audit_actor ON audit (actor, seq);

-- The clear values behind the commitments: erasing a row leaves the chain intact and the value unguessable.
CREATE TABLE audit_secret (
    commitment BYTEA NOT NULL PRIMARY KEY,
    object     TEXT NOT NULL,
    salt       BYTEA NOT NULL,
    value      TEXT NOT NULL
);
CREATE INDEX audit_secret_object ON audit_secret (object);

-- What a request with an Idempotency-Key answered, kept 24 hours.
CREATE TABLE idempotency (
    owner        TEXT NOT NULL,
    key          TEXT NOT NULL,
    request_hash BYTEA NOT NULL,
    result       TEXT,
    at           TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (owner, key)
);
CREATE INDEX idempotency_at ON idempotency (at);
