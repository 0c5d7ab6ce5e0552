-- name: attachment_insert :exec
INSERT INTO saved_attachments (id, channel_id, message_id, original_filename, mime_type, size_bytes, sha256,
    created_at)
VALUES (:id, :channel_id, :message_id, :original_filename, :mime_type, :size_bytes, :sha256, :created_at);

-- The newest of a channel, the last one first.
-- name: attachments_newest :many
-- param: channel_id
-- param: limit int
SELECT id, message_id, original_filename, mime_type, size_bytes, sha256, created_at
FROM saved_attachments WHERE channel_id = :channel_id ORDER BY n DESC LIMIT :limit;

-- By its id, or the newest of a name.
-- name: attachment :one
SELECT id, message_id, original_filename, mime_type, size_bytes, sha256, created_at
FROM saved_attachments
WHERE channel_id = :channel_id AND (id = :id OR original_filename = :original_filename)
ORDER BY n DESC LIMIT 1;

-- What a channel's take in all, as if none shared a file.
-- name: attachments_bytes :one
-- column: bytes int
SELECT coalesce(sum(size_bytes), 0) AS bytes FROM saved_attachments WHERE channel_id = :channel_id;
