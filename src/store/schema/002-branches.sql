-- Branches: what went off to think, and what it came back with.
CREATE TABLE branch_runs (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,                    -- the bare uuid of branch:<uuid>
    channel_id TEXT NOT NULL REFERENCES channels (id),
    description TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'done', 'failed', 'cancelled')),
    conclusion TEXT,
    profile TEXT NOT NULL DEFAULT 'default',
    model TEXT,
    max_turns INTEGER,
    run_id TEXT,
    transcript BLOB,
    tool_calls INTEGER NOT NULL DEFAULT 0,
    started_at INTEGER NOT NULL,
    completed_at INTEGER,
    CHECK ((status = 'running') = (completed_at IS NULL))
) STRICT;

CREATE INDEX branch_runs_by_channel ON branch_runs (channel_id, started_at DESC);
CREATE INDEX branch_runs_running ON branch_runs (n) WHERE completed_at IS NULL;
