-- What was sent to models and what came back, for a while. A conversation is sent whole with every call, so a
-- request is kept as what it has in common with the one before it of the same process, and the rest: a segment
-- is a whole request and those that follow on it, and goes as one.
CREATE TABLE model_exchanges (
    n INTEGER PRIMARY KEY,                      -- numbered by the engine
    segment_n INTEGER NOT NULL,                 -- the n of its first, which is whole
    link INTEGER NOT NULL CHECK (link >= 0),    -- its place there
    kept INTEGER NOT NULL,                      -- bytes of texts in this row
    process_id TEXT NOT NULL,                   -- full
    channel_id TEXT,
    turn_id TEXT,                               -- of a channel's
    model TEXT NOT NULL,                        -- provider/model as it was asked
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    status INTEGER NOT NULL DEFAULT 0,          -- HTTP's; 0: none came
    fault TEXT,                                 -- why there is no answer; NULL: there is, or it is awaited
    url TEXT NOT NULL,
    headers TEXT NOT NULL,                      -- a line each, without the key
    bytes INTEGER NOT NULL,                     -- of the whole request
    prefix INTEGER NOT NULL,                    -- so many of them are those of the link before
    rest BLOB NOT NULL,
    response TEXT,                              -- the answer as it was understood; of a failure its body
    CHECK ((link = 0) = (n = segment_n))
) STRICT;

CREATE INDEX model_exchanges_by_segment ON model_exchanges (segment_n, kept, started_at);
CREATE INDEX model_exchanges_by_process ON model_exchanges (process_id, n);
CREATE INDEX model_exchanges_by_turn ON model_exchanges (turn_id, n) WHERE turn_id IS NOT NULL;
