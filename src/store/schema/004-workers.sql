-- Interactive workers: what has to be known to go on with one after the engine has ended.
ALTER TABLE worker_runs ADD COLUMN results INTEGER NOT NULL DEFAULT 0;    -- that it has given and waited after
ALTER TABLE worker_runs ADD COLUMN active_ms INTEGER NOT NULL DEFAULT 0;  -- the time in which it did not wait

CREATE INDEX worker_runs_by_parent ON worker_runs (parent) WHERE parent IS NOT NULL;
