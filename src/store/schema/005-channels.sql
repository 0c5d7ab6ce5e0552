-- Channels in full: what a conversation was told about itself, and what it has not been told yet.

CREATE TABLE channel_settings (
    agent_id TEXT NOT NULL,
    conversation_id TEXT NOT NULL REFERENCES channels (id),
    settings TEXT NOT NULL,                     -- a JSON object; what it leaves out is the config's
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (agent_id, conversation_id)
) STRICT, WITHOUT ROWID;

-- Results of delegated work on their way to their channel. A row is written with the end of the work, in
-- one transaction, and goes with what tells of it: the reply, or the message that records it.
CREATE TABLE pending_results (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    channel_id TEXT NOT NULL REFERENCES channels (id),
    process_id TEXT NOT NULL,                   -- full
    name TEXT NOT NULL,
    task TEXT NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN (
        'succeeded', 'partial', 'blocked', 'failed', 'cancelled', 'timed_out')),
    result TEXT NOT NULL,
    reply_to TEXT,                              -- the message of a person that it goes back to
    created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX pending_results_by_channel ON pending_results (channel_id, n);
