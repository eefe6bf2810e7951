-- The embedded event log: one partition (0) per topic, offsets without gaps.
CREATE TABLE topics (
    name      TEXT NOT NULL PRIMARY KEY,
    -- days an event is kept; null: kept for ever (compacted topics, until compaction exists)
    keep_days BIGINT,
    -- the offset the next event gets
    next      BIGINT NOT NULL
);

CREATE TABLE log (
    topic    TEXT NOT NULL,
    "offset" BIGINT NOT NULL,
    event_id UUID,
    key      TEXT,
    payload  BYTEA NOT NULL,
    headers  JSONB NOT NULL,
    at       TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (topic, "offset"),
    -- a relay that crashed between publish and delete sends again: taken once. Null ids (foreign messages) never collide.
    UNIQUE (topic, event_id)
);
CREATE INDEX log_age ON log (topic, at);

CREATE TABLE consumer_offsets (
    bus_group TEXT NOT NULL,
    topic     TEXT NOT NULL,
    partition BIGINT NOT NULL,
    next      BIGINT NOT NULL,
    PRIMARY KEY (bus_group, topic, partition)
);
