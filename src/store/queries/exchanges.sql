-- name: exchange_insert :exec
INSERT INTO model_exchanges (n, segment_n, link, kept, process_id, channel_id, turn_id, model,
    started_at, url, headers, bytes, prefix, rest)
VALUES (:n, :segment_n, :link, :kept, :process_id, :channel_id, :turn_id, :model, :started_at,
    :url, :headers, :bytes, :prefix, :rest);

-- Its end; nothing where it has gone meanwhile.
-- name: exchange_end :exec
-- param: more int
UPDATE model_exchanges SET ended_at = :ended_at, status = :status, fault = :fault,
    response = :response, kept = kept + :more
WHERE n = :n;

-- name: exchange_prune :exec
DELETE FROM model_exchanges WHERE segment_n = :segment_n;

-- name: exchange_last :one
-- column: n int
SELECT coalesce(max(n), 0) AS n FROM model_exchanges;

-- name: exchange_segments :many
-- column: bytes int
-- column: started_at int
SELECT segment_n, sum(kept) AS bytes, min(started_at) AS started_at
FROM model_exchanges GROUP BY segment_n ORDER BY segment_n;

-- name: exchanges_of_turn :many
-- param: turn_id text
SELECT n FROM model_exchanges WHERE turn_id = :turn_id ORDER BY n;

-- name: exchanges_of_process :many
SELECT n FROM model_exchanges WHERE process_id = :process_id ORDER BY n;

-- name: exchange :one
SELECT n, segment_n, link, process_id, channel_id, turn_id, model, started_at, ended_at, status,
    fault, url, headers, bytes, response
FROM model_exchanges WHERE n = :n;

-- What a request is put together from.
-- name: exchange_chain :many
SELECT link, prefix, bytes, rest FROM model_exchanges
WHERE segment_n = :segment_n AND n <= :n ORDER BY n;
