-- Files that tools have changed, so that a person can take it back: who changed what, for which
-- request, and what the file held before and after, by hash. The contents themselves lie in files of
-- their own, and the oldest of them go.
CREATE TABLE file_edits (
    n INTEGER PRIMARY KEY,
    channel_id TEXT NOT NULL,
    work_id TEXT NOT NULL,                      -- the message it was done for: taken back together
    process_id TEXT NOT NULL,                   -- full
    call_id TEXT NOT NULL,
    tool TEXT NOT NULL,
    workspace TEXT NOT NULL,
    path TEXT NOT NULL,                         -- absolute
    before_state TEXT NOT NULL CHECK (before_state IN ('absent', 'kept', 'too_large', 'not_kept')),
    before_hash TEXT NOT NULL,                  -- "" where there was no file, or it was too large
    before_mode INTEGER NOT NULL,
    before_bytes INTEGER NOT NULL,
    after_hash TEXT NOT NULL,
    after_mode INTEGER NOT NULL,
    after_bytes INTEGER NOT NULL,
    edited_at INTEGER NOT NULL,
    undo_id TEXT,                               -- the undo that took it back; NULL: it holds
    refused INTEGER NOT NULL DEFAULT 0 CHECK (refused IN (0, 1)) -- an undo has left it as it was
) STRICT;

CREATE INDEX file_edits_by_channel ON file_edits (channel_id, n);
CREATE INDEX file_edits_by_work ON file_edits (work_id);
CREATE INDEX file_edits_by_undo ON file_edits (undo_id) WHERE undo_id IS NOT NULL;

-- What an undo did, a row a file, so that it can be taken back in turn.
CREATE TABLE file_undos (
    n INTEGER PRIMARY KEY,
    undo_id TEXT NOT NULL,
    channel_id TEXT NOT NULL,
    work_id TEXT NOT NULL,
    workspace TEXT NOT NULL,
    path TEXT NOT NULL,
    found_state TEXT NOT NULL CHECK (found_state IN ('absent', 'kept', 'too_large', 'not_kept')),
    found_hash TEXT NOT NULL,
    found_mode INTEGER NOT NULL,
    found_bytes INTEGER NOT NULL,
    put_hash TEXT NOT NULL,                     -- "": the file was removed
    undone_at INTEGER NOT NULL,
    redone_at INTEGER
) STRICT;

CREATE INDEX file_undos_by_channel ON file_undos (channel_id, n) WHERE redone_at IS NULL;
CREATE INDEX file_undos_by_undo ON file_undos (undo_id);
