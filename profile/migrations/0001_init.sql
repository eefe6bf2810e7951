-- Profiles. One text for SQLite and PostgreSQL; times are always bound, never defaulted.

-- One row per account, for ever: of a deleted profile the row stays without its fields, so that its version goes on and no
-- replay of an event revives it.
CREATE TABLE profiles (
    user_id         BIGINT      NOT NULL PRIMARY KEY,
    -- shell: made by the account, nobody filled it | filled | deleted
    standing        TEXT        NOT NULL,
    first_name      TEXT,
    last_name       TEXT,
    -- The person's own choice. What is shown where they chose none is computed, not kept.
    display_name    TEXT,
    pronouns        TEXT,
    dob             DATE,
    address         TEXT,
    city            TEXT,
    state           TEXT,
    zip_code        TEXT,
    country         TEXT,
    phone           TEXT,
    bio             TEXT,
    preferences     JSONB,
    language        TEXT,
    time_zone       TEXT,
    -- What the account is called, for people who say nothing about their name.
    account_name    TEXT        NOT NULL,
    -- The version of the account's state that is applied; 0: none yet, the name is from a token.
    account_version BIGINT      NOT NULL,
    -- The account is deactivated: others see nothing of it.
    account_gone    BOOLEAN     NOT NULL,
    version         BIGINT      NOT NULL,
    created_at      TIMESTAMPTZ NOT NULL,
    updated_at      TIMESTAMPTZ NOT NULL
);
