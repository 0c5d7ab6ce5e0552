-- name: partial_save :exec
INSERT INTO partials (process_id, channel_id, text, updated_at)
VALUES (:process_id, :channel_id, :text, :updated_at)
ON CONFLICT (process_id) DO UPDATE SET text = excluded.text, updated_at = excluded.updated_at;

-- name: partial_delete :exec
DELETE FROM partials WHERE process_id = :process_id;

-- name: partials :many
SELECT process_id, channel_id, text, updated_at FROM partials ORDER BY updated_at, process_id;
