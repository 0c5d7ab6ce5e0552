-- How much of a context a model has turned out to take, learned from what it refused.
CREATE TABLE model_limits (
    model TEXT NOT NULL PRIMARY KEY,            -- provider/model
    context_tokens INTEGER NOT NULL CHECK (context_tokens > 0),
    learned_at INTEGER NOT NULL
) STRICT;
