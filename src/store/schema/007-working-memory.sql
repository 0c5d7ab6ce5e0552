-- What happened that is worth remembering for a while: decisions at first. Syntheses will be made of it.
CREATE TABLE working_memory_events (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    event_type TEXT NOT NULL,
    timestamp INTEGER NOT NULL,
    channel_id TEXT REFERENCES channels (id),
    user_id TEXT,
    summary TEXT NOT NULL CHECK (length(summary) <= 200),
    detail TEXT,
    importance REAL NOT NULL CHECK (importance BETWEEN 0 AND 1),
    day TEXT NOT NULL CHECK (day GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]')
) STRICT;

CREATE INDEX working_memory_by_day ON working_memory_events (day, n);
