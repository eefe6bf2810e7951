-- A topic without keep_days is compacted: below `compacted` there is at most one record of each key.
ALTER TABLE topics ADD COLUMN compacted BIGINT NOT NULL DEFAULT 0;

-- The newest record of each key below `compacted`: where the one to remove lies when a newer one comes. A table of its own
-- and not an index of the log, so that a publish pays nothing for it.
CREATE TABLE newest (
    topic    TEXT NOT NULL,
    key      TEXT NOT NULL,
    "offset" BIGINT NOT NULL,
    PRIMARY KEY (topic, key)
) WITHOUT ROWID;

-- Event ids of records that are gone. Without them an event sent again after a crash would be taken a second time, behind
-- newer ones of its key, and compaction would keep the wrong one.
CREATE TABLE taken (
    topic    TEXT NOT NULL,
    event_id UUID NOT NULL,
    "offset" BIGINT NOT NULL,
    -- when the log took the record
    at       TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (topic, event_id)
) WITHOUT ROWID;
CREATE INDEX taken_order ON taken (topic, "offset");

-- A trigger, so that nothing can remove a record and forget its id.
CREATE TRIGGER log_remembers AFTER DELETE ON log WHEN OLD.event_id IS NOT NULL
BEGIN
    INSERT OR IGNORE INTO taken (topic, event_id, "offset", at) VALUES (OLD.topic, OLD.event_id, OLD."offset", OLD.at);
END;

-- Of a record that was published again: its event id as readers see it, since event_id holds what made it count as new.
-- All zeros: it has none.
ALTER TABLE log ADD COLUMN shown_id UUID;
