-- A result on its way to its channel.
-- name: result_insert :exec
INSERT INTO pending_results
    (id, channel_id, process_id, name, task, outcome, result, reply_to, created_at)
VALUES (:id, :channel_id, :process_id, :name, :task, :outcome, :result, :reply_to, :created_at);

-- It has been told, or is recorded in the conversation.
-- name: result_delete :exec
DELETE FROM pending_results WHERE id = :id;

-- What a channel has not been told, in the order in which it came.
-- name: results_pending :many
SELECT id, process_id, name, task, outcome, result, reply_to, created_at
FROM pending_results WHERE channel_id = :channel_id ORDER BY n;
