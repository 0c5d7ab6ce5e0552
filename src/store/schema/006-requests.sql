-- What waits, or waited, for a person: permissions that tools asked for, and questions with options.
CREATE TABLE requests (
    n INTEGER PRIMARY KEY,                      -- by this number a person answers
    kind TEXT NOT NULL CHECK (kind IN ('permission', 'question')),
    process_id TEXT NOT NULL,                   -- full: who asks
    channel_id TEXT NOT NULL,
    call_id TEXT NOT NULL,
    path TEXT NOT NULL,                         -- a JSON array: the processes from the channel down
    tool TEXT NOT NULL,
    text TEXT NOT NULL,                         -- what it wants to do, or asks
    reason TEXT,                                -- why it has to ask
    pattern TEXT,                               -- the rule that "always" would remember
    options TEXT,                               -- a JSON array of {label, description}
    multi_select INTEGER NOT NULL DEFAULT 0 CHECK (multi_select IN (0, 1)),
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN (
        'waiting', 'answered', 'timed_out', 'withdrawn', 'interrupted')),
    answer TEXT,                                -- once, always, deny; or the labels that were chosen
    remark TEXT,                                -- what the person said to it
    asked_at INTEGER NOT NULL,
    ended_at INTEGER,
    CHECK ((state = 'waiting') = (ended_at IS NULL)),
    CHECK ((state = 'answered') = (answer IS NOT NULL))
) STRICT;

CREATE INDEX requests_waiting ON requests (n) WHERE state = 'waiting';

-- What "always" has remembered; each stands in for the person who would be asked.
CREATE TABLE permission_rules (
    n INTEGER PRIMARY KEY,
    tool TEXT NOT NULL,
    match TEXT,                                 -- a glob; NULL: whatever it is about
    action TEXT NOT NULL CHECK (action IN ('allow', 'deny')),
    request_n INTEGER REFERENCES requests (n),  -- the request it answered
    created_at INTEGER NOT NULL
) STRICT;
