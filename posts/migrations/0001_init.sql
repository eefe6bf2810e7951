-- Posts. One text for SQLite and PostgreSQL.

-- A row is never removed: of a deleted post the tombstone stays, so that no replay of an event revives it.
CREATE TABLE posts (
    id           BYTEA       NOT NULL PRIMARY KEY,
    user_id      BIGINT      NOT NULL,
    -- The author's user name when it was written.
    username     TEXT        NOT NULL,
    -- The author's first role when it was written: a pupil's deleted text is kept for a while.
    author_role  TEXT        NOT NULL,
    title        TEXT        NOT NULL,
    content      TEXT        NOT NULL,
    tags         JSONB       NOT NULL,
    audience     JSONB       NOT NULL,
    -- published | deleted
    state        TEXT        NOT NULL,
    version      BIGINT      NOT NULL,
    created_at   TIMESTAMPTZ NOT NULL,
    updated_at   TIMESTAMPTZ NOT NULL,
    published_at TIMESTAMPTZ NOT NULL,
    edited_at    TIMESTAMPTZ,
    edited_by    BIGINT      NOT NULL,
    -- The last edit by somebody else than the author: {by, reason, at}.
    moderation   JSONB,
    deleted_at   TIMESTAMPTZ,
    -- Until when a deleted text is kept; NULL once it is gone.
    text_until   TIMESTAMPTZ
);

-- The export, newest first.
CREATE INDEX posts_published ON posts (published_at, id) WHERE state = 'published';
-- Tombstones, newest first.
CREATE INDEX posts_deleted ON posts (deleted_at, id) WHERE state = 'deleted';
-- Deleted texts whose time has come.
CREATE INDEX posts_text_until ON posts (text_until) WHERE text_until IS NOT NULL;

-- Published posts by what they are found by: an audience key as it is (`school`, `role:teacher`), the author as `@7`, a
-- tag as `#zoo`. Its key is the order of every list, so a page reads as many entries as it shows.
CREATE TABLE post_keys (
    key          TEXT        NOT NULL,
    published_at TIMESTAMPTZ NOT NULL,
    post_id      BYTEA       NOT NULL,
    PRIMARY KEY (key, published_at, post_id)
);

-- Earlier texts.
CREATE TABLE post_revisions (
    post_id   BYTEA       NOT NULL REFERENCES posts (id),
    version   BIGINT      NOT NULL,
    title     TEXT        NOT NULL,
    content   TEXT        NOT NULL,
    tags      JSONB       NOT NULL,
    audience  JSONB       NOT NULL,
    edited_by BIGINT      NOT NULL,
    at        TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (post_id, version)
);

-- The time of the newest post in microseconds. Taken in the transaction that publishes, whose turn it is until it
-- commits: posts become visible in the order of their times, and nothing appears behind a cursor already read.
CREATE TABLE post_clock (
    id     BIGINT NOT NULL PRIMARY KEY,
    latest BIGINT NOT NULL
);
INSERT INTO post_clock (id, latest) VALUES (1, 0);
