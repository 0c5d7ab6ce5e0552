-- A channel begins to think.
-- name: turn_insert :exec
INSERT INTO turns (id, channel_id, model, relays, reply_to, first_entry, started_at)
VALUES (:id, :channel_id, :model, :relays, :reply_to, :first_entry, :started_at);

-- It is about this message.
-- name: turn_hears :exec
-- param: turn_id text
-- param: message_id text
UPDATE conversation_messages SET turn_id = :turn_id WHERE id = :message_id;

-- One model call's tokens and cost, as token_usage has them too.
-- name: turn_used :exec
UPDATE turns SET model = :model, model_calls = model_calls + 1,
    input_tokens = input_tokens + :input_tokens, output_tokens = output_tokens + :output_tokens,
    cache_read_tokens = cache_read_tokens + :cache_read_tokens,
    cache_write_tokens = cache_write_tokens + :cache_write_tokens,
    cost_usd = cost_usd + :cost_usd, estimated = max(estimated, :estimated)
WHERE id = :id;

-- name: turn_end :guarded
-- param: last_entry int
-- param: ended_at int
UPDATE turns SET state = :state, last_entry = :last_entry, ended_at = :ended_at
WHERE id = :id AND ended_at IS NULL;

-- The turn that an earlier engine was cut off in.
-- name: turn_running :one
SELECT id FROM turns WHERE channel_id = :channel_id AND ended_at IS NULL ORDER BY n DESC LIMIT 1;

-- name: turns_running :one
-- column: running int
SELECT count(*) AS running FROM turns WHERE ended_at IS NULL;

-- At start-up, before anything runs: none is thinking any more.
-- name: turns_reconcile :exec
-- param: ended_at int
UPDATE turns SET state = 'interrupted', ended_at = :ended_at,
    last_entry = (SELECT coalesce(max(seq), 0) FROM process_journal
        WHERE process_id = 'channel:' || turns.channel_id)
WHERE ended_at IS NULL;
