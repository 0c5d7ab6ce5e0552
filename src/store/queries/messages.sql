-- Appends a message to its channel; its place in the order is given here, where only one writes.
-- name: message_insert :exec
INSERT INTO conversation_messages
    (id, channel_id, seq, role, sender_name, sender_id, content, metadata, turn_id, created_at)
VALUES (:id, :channel_id,
    (SELECT coalesce(max(seq), 0) + 1 FROM conversation_messages WHERE channel_id = :channel_id),
    :role, :sender_name, :sender_id, :content, :metadata, :turn_id, :created_at);

-- name: message :one
SELECT content, metadata FROM conversation_messages WHERE id = :id;

-- The newest messages of a channel, oldest first.
-- name: messages_newest :many
-- param: channel_id
-- param: limit int
SELECT id, seq, role, sender_name, sender_id, content, metadata, created_at FROM (
    SELECT id, seq, role, sender_name, sender_id, content, metadata, created_at
    FROM conversation_messages WHERE channel_id = :channel_id
    ORDER BY seq DESC LIMIT :limit)
ORDER BY seq;

-- Of the messages between two numbers the last ones, or the first ones, in order.
-- name: messages_between :many
-- param: channel_id
-- param: after int
-- param: before int
-- param: oldest int
-- param: limit int
SELECT id, seq, role, sender_name, content, metadata, created_at FROM (
    SELECT id, seq, role, sender_name, content, metadata, created_at
    FROM conversation_messages
    WHERE channel_id = :channel_id AND seq > :after AND seq < :before
    ORDER BY CASE WHEN :oldest THEN seq ELSE -seq END LIMIT :limit)
ORDER BY seq;

-- name: messages_count :one
-- column: messages int
SELECT count(*) AS messages FROM conversation_messages WHERE channel_id = :channel_id;
