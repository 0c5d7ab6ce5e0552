-- name: settings_save :exec
INSERT INTO channel_settings (agent_id, conversation_id, settings, updated_at)
VALUES ('main', :conversation_id, :settings, :updated_at)
ON CONFLICT (agent_id, conversation_id) DO UPDATE SET
    settings = excluded.settings, updated_at = excluded.updated_at;

-- name: settings :one
SELECT settings FROM channel_settings WHERE agent_id = 'main' AND conversation_id = :conversation_id;
