-- Finds what happened in a stretch of time, for a follower that missed it.
CREATE INDEX process_journal_by_end ON process_journal (ended_at);

-- Text that is still being written, in pieces as they came; they go when it is whole. The engine numbers
-- them, so that neither writing nor deleting one looks for anything.
CREATE TABLE partial_pieces (
    n INTEGER PRIMARY KEY,
    process_id TEXT NOT NULL,                   -- full
    channel_id TEXT,
    text TEXT NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

INSERT INTO partial_pieces (process_id, channel_id, text, updated_at)
SELECT process_id, channel_id, text, updated_at FROM partials ORDER BY updated_at, process_id;

DROP TABLE partials;
