-- name: tool_intend :exec
INSERT INTO tool_runs (process_id, channel_id, call_id, tool, args, started_at)
VALUES (:process_id, :channel_id, :call_id, :tool, :args, :started_at);

-- Meets the open run of that call.
-- name: tool_done :guarded
-- param: is_error int
-- param: ended_at int
UPDATE tool_runs SET state = 'done', result = :result, is_error = :is_error, ended_at = :ended_at
WHERE process_id = :process_id AND call_id = :call_id AND state = 'intended';

-- At start-up, before anything runs: what was intended and never done may have had effects.
-- name: tools_interrupt :exec
-- param: ended_at int
UPDATE tool_runs SET state = 'interrupted', ended_at = :ended_at WHERE state = 'intended';

-- What an earlier engine intended and has not finished, before tools_interrupt.
-- name: tools_intended :many
SELECT process_id, channel_id, call_id, tool, args, started_at
FROM tool_runs WHERE state = 'intended' ORDER BY n;

-- Interrupted runs that nobody has looked at yet.
-- name: tools_interrupted :many
SELECT process_id, channel_id, call_id, tool, args, started_at
FROM tool_runs WHERE state = 'interrupted' AND dismissed_at IS NULL ORDER BY n;

-- name: tool_dismiss :guarded
-- param: dismissed_at int
UPDATE tool_runs SET dismissed_at = :dismissed_at
WHERE call_id = :call_id AND state = 'interrupted' AND dismissed_at IS NULL;

-- name: tools_of_process :many
SELECT call_id, tool, args, state, result, is_error, started_at, ended_at
FROM tool_runs WHERE process_id = :process_id ORDER BY n;
