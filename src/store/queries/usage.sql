-- One model call's tokens and cost, added to what the process has used that day.
-- name: usage_add :exec
INSERT INTO token_usage
    (process_id, day, provider, model, cost_status, agent_id, process_type, conversation_id,
     input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, request_count,
     estimated_cost_usd, recorded_at)
VALUES (:process_id, :day, :provider, :model, :cost_status, :agent_id, :process_type,
     :conversation_id, :input_tokens, :output_tokens, :cache_read_tokens, :cache_write_tokens,
     :request_count, :estimated_cost_usd, :recorded_at)
ON CONFLICT (process_id, day, provider, model, cost_status) DO UPDATE SET
    input_tokens = input_tokens + excluded.input_tokens,
    output_tokens = output_tokens + excluded.output_tokens,
    cache_read_tokens = cache_read_tokens + excluded.cache_read_tokens,
    cache_write_tokens = cache_write_tokens + excluded.cache_write_tokens,
    request_count = request_count + excluded.request_count,
    estimated_cost_usd = estimated_cost_usd + excluded.estimated_cost_usd,
    recorded_at = max(recorded_at, excluded.recorded_at);

-- Sums over one process, one channel, one day; all 0 when there is nothing.
-- name: usage_of_process :one
-- column: input_tokens int
-- column: output_tokens int
-- column: cache_read_tokens int
-- column: cache_write_tokens int
-- column: requests int
-- column: cost_usd real
-- column: estimated_rows int
SELECT coalesce(sum(input_tokens), 0) AS input_tokens,
    coalesce(sum(output_tokens), 0) AS output_tokens,
    coalesce(sum(cache_read_tokens), 0) AS cache_read_tokens,
    coalesce(sum(cache_write_tokens), 0) AS cache_write_tokens,
    coalesce(sum(request_count), 0) AS requests,
    coalesce(sum(estimated_cost_usd), 0.0) AS cost_usd,
    count(*) FILTER (WHERE cost_status = 'estimated') AS estimated_rows
FROM token_usage WHERE process_id = :process_id;

-- name: usage_of_channel :one
-- param: channel text
-- column: input_tokens int
-- column: output_tokens int
-- column: cache_read_tokens int
-- column: cache_write_tokens int
-- column: requests int
-- column: cost_usd real
-- column: estimated_rows int
SELECT coalesce(sum(input_tokens), 0) AS input_tokens,
    coalesce(sum(output_tokens), 0) AS output_tokens,
    coalesce(sum(cache_read_tokens), 0) AS cache_read_tokens,
    coalesce(sum(cache_write_tokens), 0) AS cache_write_tokens,
    coalesce(sum(request_count), 0) AS requests,
    coalesce(sum(estimated_cost_usd), 0.0) AS cost_usd,
    count(*) FILTER (WHERE cost_status = 'estimated') AS estimated_rows
FROM token_usage WHERE conversation_id = :channel;

-- name: usage_of_day :one
-- column: input_tokens int
-- column: output_tokens int
-- column: requests int
-- column: cost_usd real
-- column: estimated_rows int
SELECT coalesce(sum(input_tokens), 0) AS input_tokens,
    coalesce(sum(output_tokens), 0) AS output_tokens,
    coalesce(sum(request_count), 0) AS requests,
    coalesce(sum(estimated_cost_usd), 0.0) AS cost_usd,
    count(*) FILTER (WHERE cost_status = 'estimated') AS estimated_rows
FROM token_usage WHERE day = :day;

-- Sums of all days from :since on ("" or a day), by model, process, channel or day; any other :by
-- is one row with all of it. A process has what it was asked to do with it.
-- name: usage_by :many
-- param: by text
-- param: since text
-- column: name text
-- column: label text?
-- column: input_tokens int
-- column: output_tokens int
-- column: cache_read_tokens int
-- column: cache_write_tokens int
-- column: requests int
-- column: cost_usd real
-- column: estimated_rows int
SELECT CASE :by WHEN 'model' THEN u.provider || '/' || u.model WHEN 'process' THEN u.process_id
        WHEN 'channel' THEN coalesce(u.conversation_id, '') WHEN 'day' THEN u.day ELSE '' END AS name,
    max(CASE WHEN :by = 'process' THEN coalesce(w.task, b.description) END) AS label,
    sum(u.input_tokens) AS input_tokens, sum(u.output_tokens) AS output_tokens,
    sum(u.cache_read_tokens) AS cache_read_tokens, sum(u.cache_write_tokens) AS cache_write_tokens,
    sum(u.request_count) AS requests, sum(u.estimated_cost_usd) AS cost_usd,
    count(*) FILTER (WHERE u.cost_status = 'estimated') AS estimated_rows
FROM token_usage AS u
LEFT JOIN worker_runs AS w
    ON :by = 'process' AND u.process_id LIKE 'worker:%' AND w.id = substr(u.process_id, 8)
LEFT JOIN branch_runs AS b
    ON :by = 'process' AND u.process_id LIKE 'branch:%' AND b.id = substr(u.process_id, 8)
WHERE u.day >= :since
GROUP BY 1
ORDER BY CASE WHEN :by = 'day' THEN u.day END, cost_usd DESC, input_tokens DESC, 1;
