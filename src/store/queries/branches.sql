-- name: branch_insert :exec
-- param: max_turns int
INSERT INTO branch_runs (id, channel_id, description, model, max_turns, run_id, turn_id, started_at)
VALUES (:id, :channel_id, :description, :model, :max_turns, :run_id, :turn_id, :started_at);

-- The one commit of its end.
-- name: branch_end :guarded
-- param: tool_calls int
-- param: completed_at int
UPDATE branch_runs SET status = :status, conclusion = :conclusion, transcript = :transcript,
    tool_calls = :tool_calls, completed_at = :completed_at
WHERE id = :id AND completed_at IS NULL;

-- The branches that an earlier engine left thinking.
-- name: branches_unfinished :many
SELECT id, channel_id, description, started_at FROM branch_runs WHERE completed_at IS NULL ORDER BY n;

-- At start-up, before anything runs: they have failed.
-- name: branches_reconcile :exec
-- param: conclusion text
-- param: completed_at int
UPDATE branch_runs SET status = 'failed', conclusion = :conclusion, completed_at = :completed_at
WHERE completed_at IS NULL;

-- The newest branches of one channel, or with NULL of all, newest first.
-- name: branches_recent :many
-- param: channel text?
-- param: limit int
SELECT id, channel_id, description, status, conclusion, model, tool_calls, started_at, completed_at
FROM branch_runs WHERE :channel IS NULL OR channel_id = :channel
ORDER BY started_at DESC, n DESC LIMIT :limit;
