-- What the administration of users needs: a column to search in, and links that are handed on (spec/auth.md section 3).

-- Names and address, folded in Rust, since LOWER and LIKE of the two databases fold differently. NULL: a row from before
-- this column; the program fills it in when it opens the store.
ALTER TABLE users ADD COLUMN search TEXT;

-- The token of a link is a MAC over its id and stands in no table. At most one of a person and kind waits to be used.
CREATE TABLE links (
    id UUID NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    user_id BIGINT REFERENCES users (id),
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    used_at TIMESTAMPTZ
);
CREATE UNIQUE INDEX links_waiting ON links (user_id, kind) WHERE used_at IS NULL;
CREATE INDEX links_expiry ON links (expires_at);
