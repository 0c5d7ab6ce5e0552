-- The store of issue "First light": conversations, workers, what tools did, what it cost.
--
-- Every table is STRICT: a value of a wrong type fails where it is written. Times are milliseconds since
-- 1970 in UTC. Flags are 0 or 1. Where a table will stand behind a full-text index it has an INTEGER
-- PRIMARY KEY n beside its text id, so that VACUUM leaves the numbers alone.

CREATE TABLE channels (
    id TEXT NOT NULL PRIMARY KEY,
    platform TEXT NOT NULL,
    display_name TEXT,
    workspace TEXT,
    model TEXT,                                 -- overrides the routing for this channel
    is_active INTEGER NOT NULL DEFAULT 1 CHECK (is_active IN (0, 1)),
    created_at INTEGER NOT NULL,
    last_activity_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX channels_by_activity ON channels (last_activity_at DESC);

CREATE TABLE conversation_messages (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    channel_id TEXT NOT NULL REFERENCES channels (id),
    seq INTEGER NOT NULL,                       -- 1, 2, ... within the channel
    role TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
    sender_name TEXT,
    sender_id TEXT,
    content TEXT NOT NULL,
    metadata TEXT,                              -- a JSON object
    created_at INTEGER NOT NULL,
    UNIQUE (channel_id, seq)
) STRICT;

CREATE TABLE worker_runs (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,                    -- the bare uuid of worker:<uuid>
    channel_id TEXT REFERENCES channels (id),
    parent TEXT,                                -- full process id
    name TEXT,
    task TEXT NOT NULL,
    worker_type TEXT NOT NULL DEFAULT 'builtin',
    interactive INTEGER NOT NULL DEFAULT 0 CHECK (interactive IN (0, 1)),
    model TEXT,
    directory TEXT,
    run_id TEXT,                                -- the run of the engine that started it
    lifecycle TEXT NOT NULL DEFAULT 'created',  -- ends as outcome_kind
    status TEXT,                                -- what it last said of itself
    result TEXT,
    outcome_kind TEXT CHECK (outcome_kind IN (
        'succeeded', 'partial', 'blocked', 'failed', 'cancelled', 'timed_out')),
    outcome_summary TEXT,
    outcome_version INTEGER NOT NULL DEFAULT 0,
    terminal_owner TEXT CHECK (terminal_owner IN (
        'worker', 'cancel', 'timeout', 'supervisor', 'shutdown', 'reconcile')),
    transcript BLOB,
    transcript_version INTEGER NOT NULL DEFAULT 0,
    tool_calls INTEGER NOT NULL DEFAULT 0,
    started_at INTEGER NOT NULL,
    completed_at INTEGER,
    CONSTRAINT ended_with_an_outcome CHECK ((outcome_kind IS NULL) = (completed_at IS NULL)),
    CONSTRAINT lifecycle_fits_outcome CHECK (lifecycle IS outcome_kind OR (outcome_kind IS NULL AND lifecycle IN (
        'created', 'running', 'waiting_for_input', 'cancelling', 'timing_out', 'completing')))
) STRICT;

CREATE INDEX worker_runs_by_channel ON worker_runs (channel_id, started_at DESC);
CREATE INDEX worker_runs_by_start ON worker_runs (started_at DESC);
CREATE INDEX worker_runs_unfinished ON worker_runs (n) WHERE completed_at IS NULL;

-- What tools with effects did. The row is 'intended' and committed before the tool starts.
CREATE TABLE tool_runs (
    n INTEGER PRIMARY KEY,
    process_id TEXT NOT NULL,                   -- full
    channel_id TEXT,
    call_id TEXT NOT NULL,                      -- the model's; a provider may use one again later
    tool TEXT NOT NULL,
    args TEXT NOT NULL,                         -- as received
    state TEXT NOT NULL DEFAULT 'intended' CHECK (state IN ('intended', 'done', 'interrupted')),
    result TEXT,
    is_error INTEGER CHECK (is_error IN (0, 1)),
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    dismissed_at INTEGER,                       -- a person has looked at the interruption
    CONSTRAINT ended_unless_intended CHECK ((state = 'intended') = (ended_at IS NULL))
) STRICT;

CREATE UNIQUE INDEX tool_runs_open ON tool_runs (process_id, call_id) WHERE state = 'intended';
CREATE INDEX tool_runs_interrupted ON tool_runs (n)
    WHERE state = 'interrupted' AND dismissed_at IS NULL;
CREATE INDEX tool_runs_by_process ON tool_runs (process_id, n);

-- What each process did, in order, as a person reads it: its closed journal entries.
CREATE TABLE process_journal (
    process_id TEXT NOT NULL,                   -- full
    seq INTEGER NOT NULL,
    kind TEXT NOT NULL,
    at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    title TEXT,
    ref TEXT,
    text TEXT NOT NULL,
    result TEXT,
    is_error INTEGER NOT NULL CHECK (is_error IN (0, 1)),
    interrupted INTEGER NOT NULL CHECK (interrupted IN (0, 1)),
    PRIMARY KEY (process_id, seq)
) STRICT;

-- Text that was still being written; the row goes when the text is whole.
CREATE TABLE partials (
    process_id TEXT NOT NULL PRIMARY KEY,       -- full
    channel_id TEXT,
    text TEXT NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- Tokens and money: a row for each process, day (UTC), model and kind of cost, grown with every call.
CREATE TABLE token_usage (
    process_id TEXT NOT NULL,                   -- full
    day TEXT NOT NULL CHECK (day GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    cost_status TEXT NOT NULL CHECK (cost_status IN ('known', 'estimated')),
    agent_id TEXT NOT NULL,
    process_type TEXT NOT NULL,
    conversation_id TEXT,
    input_tokens INTEGER NOT NULL,              -- without the cached ones
    output_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    request_count INTEGER NOT NULL,
    estimated_cost_usd REAL NOT NULL,
    recorded_at INTEGER NOT NULL,               -- the last call
    PRIMARY KEY (process_id, day, provider, model, cost_status)
) STRICT;

CREATE INDEX token_usage_by_day ON token_usage (day);
CREATE INDEX token_usage_by_conversation ON token_usage (conversation_id);
