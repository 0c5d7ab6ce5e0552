-- Lifecycles and outcomes are SPEC A.5's, by name. The process table in memory decides; the guards
-- here hold when state is reconciled, and tell of a mistake otherwise.

-- name: worker_insert :exec
-- param: interactive int
INSERT INTO worker_runs
    (id, channel_id, parent, name, task, interactive, model, directory, run_id, turn_id,
    started_at)
VALUES (:id, :channel_id, :parent, :name, :task, :interactive, :model, :directory, :run_id,
    :turn_id, :started_at);

-- Moves a run from one state, in which it must be, to another that is not an end.
-- name: worker_transition :guarded
-- param: from text
-- param: to text
UPDATE worker_runs SET lifecycle = :to
WHERE id = :id AND lifecycle = :from AND completed_at IS NULL;

-- It has given a result and waits for the next message.
-- name: worker_wait :guarded
-- param: id
-- param: active_ms int
-- param: tool_calls int
UPDATE worker_runs SET lifecycle = 'waiting_for_input', result = :result,
    results = results + (:result IS NOT NULL),
    transcript = :transcript, transcript_version = transcript_version + 1,
    active_ms = :active_ms, tool_calls = :tool_calls
WHERE id = :id AND lifecycle = 'running' AND completed_at IS NULL;

-- What it says of itself.
-- name: worker_status :exec
-- param: id
UPDATE worker_runs SET status = :status WHERE id = :id AND completed_at IS NULL;

-- The one commit of its end, from the state in which it must be.
-- name: worker_end :guarded
-- param: id
-- param: from text
-- param: outcome text
-- param: terminal_owner text
-- param: completed_at int
UPDATE worker_runs SET
    lifecycle = :outcome, outcome_kind = :outcome, outcome_summary = :outcome_summary,
    outcome_version = outcome_version + 1, result = :result, terminal_owner = :terminal_owner,
    transcript = :transcript,
    transcript_version = transcript_version + (:transcript IS NOT NULL),
    tool_calls = :tool_calls, completed_at = :completed_at
WHERE id = :id AND lifecycle = :from AND completed_at IS NULL;

-- name: worker :one
SELECT id, channel_id, parent, name, task, interactive, model, directory, lifecycle, status, result,
    outcome_kind, outcome_summary, outcome_version, terminal_owner, transcript, transcript_version,
    tool_calls, started_at, completed_at
FROM worker_runs WHERE id = :id;

-- The runs whose id is at least :low and less than :high: those of one prefix.
-- name: workers_between :many
-- param: low text
-- param: high text
-- param: limit int
SELECT id FROM worker_runs WHERE id >= :low AND id < :high ORDER BY id LIMIT :limit;

-- The newest runs with what they cost, newest first; those of one channel, or with NULL of all.
-- name: workers_recent :many
-- param: channel text?
-- param: limit int
-- column: input_tokens int
-- column: output_tokens int
-- column: cost_usd real
SELECT w.id, w.channel_id, w.parent, w.name, w.task, w.lifecycle, w.outcome_kind,
    w.outcome_summary, w.terminal_owner, w.tool_calls, w.started_at, w.completed_at,
    coalesce((SELECT sum(u.input_tokens) FROM token_usage AS u
        WHERE u.process_id = 'worker:' || w.id), 0) AS input_tokens,
    coalesce((SELECT sum(u.output_tokens) FROM token_usage AS u
        WHERE u.process_id = 'worker:' || w.id), 0) AS output_tokens,
    coalesce((SELECT sum(u.estimated_cost_usd) FROM token_usage AS u
        WHERE u.process_id = 'worker:' || w.id), 0.0) AS cost_usd
FROM worker_runs AS w
WHERE :channel IS NULL OR w.channel_id = :channel
ORDER BY w.started_at DESC, w.n DESC LIMIT :limit;

-- The runs that an earlier engine left without an end, and which cannot go on.
-- name: workers_unfinished :many
SELECT id, channel_id, parent, name, task, lifecycle, started_at
FROM worker_runs WHERE completed_at IS NULL
    AND NOT (lifecycle = 'waiting_for_input' AND transcript IS NOT NULL AND channel_id IS NOT NULL)
ORDER BY n;

-- The others: they wait for a message, and can go on.
-- name: workers_waiting :many
SELECT id, channel_id, name, task, model, directory, result, transcript, transcript_version, results,
    active_ms, tool_calls, started_at
FROM worker_runs WHERE completed_at IS NULL
    AND lifecycle = 'waiting_for_input' AND transcript IS NOT NULL AND channel_id IS NOT NULL
ORDER BY n;

-- At start-up, before anything runs: what cannot go on has ended, as it was just about to or as
-- failed.
-- name: workers_reconcile :exec
-- param: summary text
-- param: completed_at int
UPDATE worker_runs SET
    lifecycle = CASE lifecycle WHEN 'cancelling' THEN 'cancelled'
        WHEN 'timing_out' THEN 'timed_out' ELSE 'failed' END,
    outcome_kind = CASE lifecycle WHEN 'cancelling' THEN 'cancelled'
        WHEN 'timing_out' THEN 'timed_out' ELSE 'failed' END,
    outcome_summary = :summary, result = :summary,
    outcome_version = outcome_version + 1, terminal_owner = 'reconcile',
    completed_at = :completed_at
WHERE completed_at IS NULL
    AND NOT (lifecycle = 'waiting_for_input' AND transcript IS NOT NULL AND channel_id IS NOT NULL);
