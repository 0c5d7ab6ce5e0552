-- Makes a channel, or notes that an existing one was active. What is NULL leaves an existing
-- channel's value as it was.
-- name: channel_touch :exec
INSERT INTO channels (id, platform, display_name, workspace, model, created_at, last_activity_at)
VALUES (:id, :platform, :display_name, :workspace, :model, :last_activity_at, :last_activity_at)
ON CONFLICT (id) DO UPDATE SET
    display_name = coalesce(excluded.display_name, display_name),
    workspace = coalesce(excluded.workspace, workspace),
    model = coalesce(excluded.model, model),
    last_activity_at = max(excluded.last_activity_at, last_activity_at);

-- The model that a conversation was told to use; NULL: the routing's.
-- name: channel_model :exec
-- param: model text?
-- param: id
UPDATE channels SET model = :model WHERE id = :id;

-- name: channel :one
SELECT id, platform, display_name, workspace, model, is_active, created_at, last_activity_at
FROM channels WHERE id = :id;

-- The channels, the last active first.
-- name: channels_recent :many
-- param: limit int
SELECT id, platform, display_name, workspace, model, created_at, last_activity_at
FROM channels WHERE is_active = 1 ORDER BY last_activity_at DESC, id LIMIT :limit;
