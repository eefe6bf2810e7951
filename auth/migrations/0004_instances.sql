-- Several instances on one store (src/instances).

-- An instance may believe its copy in memory until held_until, if it listens. Renewed twice a second.
CREATE TABLE instances (
    id UUID NOT NULL PRIMARY KEY,
    held_until TIMESTAMPTZ NOT NULL,
    listening BOOLEAN NOT NULL,
    -- its copy holds every change up to this number
    seen BIGINT NOT NULL
);

-- The number of the last change that other instances must know of.
INSERT INTO counters (name, next) VALUES ('changes', 0);

-- Which store this is, for the name of the channel: two deployments may share a Redis. At most one row.
CREATE TABLE store_identity (
    name TEXT NOT NULL PRIMARY KEY,
    id UUID NOT NULL
);
