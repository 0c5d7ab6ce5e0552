-- name: working_memory_insert :exec
-- param: importance real
INSERT INTO working_memory_events
    (id, event_type, timestamp, channel_id, user_id, summary, detail, importance, day)
VALUES (:id, :event_type, :timestamp, :channel_id, NULL, :summary, :detail, :importance, :day);

-- The newest of a channel, newest first.
-- name: working_memory_recent :many
-- param: channel text
-- param: limit int
SELECT id, event_type, timestamp, summary, detail, importance, day
FROM working_memory_events WHERE channel_id = :channel ORDER BY n DESC LIMIT :limit;
