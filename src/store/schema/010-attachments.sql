-- Files that came with a message. The bytes are in the home, in attachments/<sha256>; several rows may share
-- one file.
CREATE TABLE saved_attachments (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    channel_id TEXT NOT NULL REFERENCES channels (id),
    message_id TEXT NOT NULL REFERENCES conversation_messages (id),
    original_filename TEXT NOT NULL,            -- without its directory
    mime_type TEXT NOT NULL,                    -- by content
    size_bytes INTEGER NOT NULL CHECK (size_bytes >= 0),
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
    created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX saved_attachments_by_channel ON saved_attachments (channel_id, n DESC);
