-- What the chain behind a reply is put together from. Texts are cut: they are looked at, not read.

-- name: why_message :one
-- column: text text
-- column: bytes int
SELECT id, channel_id, role, sender_name, substr(content, 1, 400) AS text,
    length(CAST(content AS BLOB)) AS bytes, metadata, turn_id, created_at
FROM conversation_messages WHERE id = :id;

-- What a turn heard and said, in order.
-- name: why_messages :many
-- param: turn_id text
-- param: limit int
-- column: text text
-- column: bytes int
SELECT id, role, sender_name, substr(content, 1, 400) AS text,
    length(CAST(content AS BLOB)) AS bytes, metadata, created_at
FROM conversation_messages WHERE turn_id = :turn_id ORDER BY n LIMIT :limit;

-- The messages whose id is at least :low and less than :high: those of one prefix.
-- name: why_messages_from :many
-- param: low text
-- param: high text
-- param: limit int
SELECT id FROM conversation_messages WHERE id >= :low AND id < :high ORDER BY id LIMIT :limit;

-- The last reply of a channel.
-- name: why_last_of :one
-- param: channel_id
SELECT id FROM conversation_messages
WHERE channel_id = :channel_id AND role = 'assistant' AND sender_name = 'spacebot'
ORDER BY seq DESC LIMIT 1;

-- The last reply of all channels.
-- name: why_last :one
SELECT id FROM conversation_messages WHERE role = 'assistant' AND sender_name = 'spacebot'
ORDER BY n DESC LIMIT 1;

-- name: why_turn :one
SELECT n, id, channel_id, model, relays, reply_to, state, first_entry, last_entry, model_calls,
    input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost_usd, estimated,
    started_at, ended_at
FROM turns WHERE id = :id;

-- name: why_worker :one
-- column: task text
-- column: outcome text?
SELECT id, parent, name, substr(task, 1, 400) AS task, lifecycle, outcome_kind, model, turn_id,
    substr(result, 1, 400) AS outcome, tool_calls, started_at, completed_at
FROM worker_runs WHERE id = :id;

-- name: why_branch :one
-- column: task text
-- column: outcome text?
SELECT id, substr(description, 1, 400) AS task, status, model, turn_id,
    substr(conclusion, 1, 400) AS outcome, tool_calls, started_at, completed_at
FROM branch_runs WHERE id = :id;

-- Which processes a turn started itself.
-- name: why_branches_of_turn :many
-- param: turn_id text
-- param: limit int
SELECT id, started_at FROM branch_runs WHERE turn_id = :turn_id ORDER BY started_at, n LIMIT :limit;

-- name: why_workers_of_turn :many
-- param: turn_id text
-- param: limit int
SELECT id, started_at FROM worker_runs WHERE turn_id = :turn_id ORDER BY started_at, n LIMIT :limit;

-- Which workers a process started.
-- name: why_workers_of :many
-- param: parent text
-- param: limit int
SELECT id, started_at FROM worker_runs WHERE parent = :parent ORDER BY started_at, n LIMIT :limit;

-- The calls of tools in a stretch of a journal.
-- name: why_calls :many
-- param: process_id
-- param: from int
-- param: to int
-- param: limit int
-- column: text text
-- column: bytes int
-- column: result text?
SELECT at, ended_at, title, ref, substr(text, 1, 2000) AS text,
    length(CAST(text AS BLOB)) AS bytes, substr(result, 1, 400) AS result, is_error, interrupted
FROM process_journal
WHERE process_id = :process_id AND seq BETWEEN :from AND :to AND kind = 'tool'
ORDER BY seq LIMIT :limit;

-- name: why_calls_count :one
-- param: process_id
-- param: from int
-- param: to int
-- column: calls int
SELECT count(*) AS calls FROM process_journal
WHERE process_id = :process_id AND seq BETWEEN :from AND :to AND kind = 'tool';

-- Calls that have not come to an end in the journal: they run, or a crash cut them off.
-- name: why_calls_open :many
-- param: process_id
-- param: from int
-- param: to int
-- param: limit int
-- column: text text
-- column: bytes int
SELECT call_id, tool, substr(args, 1, 2000) AS text, length(CAST(args AS BLOB)) AS bytes, state,
    started_at, ended_at
FROM tool_runs
WHERE process_id = :process_id AND state <> 'done' AND started_at BETWEEN :from AND :to
ORDER BY n LIMIT :limit;

-- When a reply began to be written.
-- name: why_reply_began :one
-- param: process_id
-- param: from int
-- param: to int
-- param: message_id text
SELECT at FROM process_journal
WHERE process_id = :process_id AND seq BETWEEN :from AND :to AND kind = 'reply'
    AND ref = :message_id;
