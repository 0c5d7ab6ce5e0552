-- What came of what: the turns of channels. A message belongs to the turn that heard or said it, a worker or
-- a branch to the one that started it, so that the whole chain behind a reply can be read back.

CREATE TABLE turns (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    channel_id TEXT NOT NULL REFERENCES channels (id),
    model TEXT NOT NULL,                        -- of its last call
    relays TEXT,                                -- a JSON array: the processes whose results it was told
    reply_to TEXT,                              -- the message of a person that it goes back to
    state TEXT NOT NULL DEFAULT 'running' CHECK (state IN (
        'running', 'done', 'limited', 'failed', 'cancelled', 'interrupted')),
    first_entry INTEGER NOT NULL,               -- of the channel's journal
    last_entry INTEGER,
    model_calls INTEGER NOT NULL DEFAULT 0,
    input_tokens INTEGER NOT NULL DEFAULT 0,    -- without the cached ones
    output_tokens INTEGER NOT NULL DEFAULT 0,
    cache_read_tokens INTEGER NOT NULL DEFAULT 0,
    cache_write_tokens INTEGER NOT NULL DEFAULT 0,
    cost_usd REAL NOT NULL DEFAULT 0,
    estimated INTEGER NOT NULL DEFAULT 0 CHECK (estimated IN (0, 1)),
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    CHECK ((state = 'running') = (ended_at IS NULL))
) STRICT;

CREATE INDEX turns_running ON turns (n) WHERE ended_at IS NULL;

ALTER TABLE conversation_messages ADD COLUMN turn_id TEXT REFERENCES turns (id);
ALTER TABLE worker_runs ADD COLUMN turn_id TEXT REFERENCES turns (id);
ALTER TABLE branch_runs ADD COLUMN turn_id TEXT REFERENCES turns (id);

CREATE INDEX conversation_messages_by_turn ON conversation_messages (turn_id) WHERE turn_id IS NOT NULL;
CREATE INDEX worker_runs_by_turn ON worker_runs (turn_id) WHERE turn_id IS NOT NULL;
CREATE INDEX branch_runs_by_turn ON branch_runs (turn_id) WHERE turn_id IS NOT NULL;
