-- Each piece once, at the table's end: what streams for long costs no more than what streams shortly.
-- name: partial_add :exec
INSERT INTO partial_pieces (n, process_id, channel_id, text, updated_at)
VALUES (:n, :process_id, :channel_id, :text, :updated_at);

-- name: partial_delete :exec
DELETE FROM partial_pieces WHERE n = :n;

-- name: partials_clear :exec
DELETE FROM partial_pieces;

-- name: partials :many
SELECT process_id, channel_id, text, updated_at FROM partial_pieces ORDER BY process_id, n;
