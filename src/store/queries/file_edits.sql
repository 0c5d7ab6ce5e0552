-- name: file_edit_insert :exec
INSERT INTO file_edits
    (channel_id, work_id, process_id, call_id, tool, workspace, path, before_state, before_hash,
    before_mode, before_bytes, after_hash, after_mode, after_bytes, edited_at)
VALUES (:channel_id, :work_id, :process_id, :call_id, :tool, :workspace, :path, :before_state,
    :before_hash, :before_mode, :before_bytes, :after_hash, :after_mode, :after_bytes, :edited_at);

-- Where files were changed last, and that still holds.
-- name: file_edit_newest :one
-- param: force int
SELECT channel_id FROM file_edits WHERE undo_id IS NULL AND (refused = 0 OR :force)
ORDER BY n DESC LIMIT 1;

-- What the newest request of a channel has changed, of what still holds; without :force nothing
-- that an undo has refused.
-- name: file_edits_newest :many
-- param: channel text
-- param: force int
-- param: limit int
SELECT n, work_id, workspace, path, before_state, before_hash, before_mode, before_bytes, after_hash
FROM file_edits
WHERE channel_id = :channel AND undo_id IS NULL AND (refused = 0 OR :force) AND work_id = (
    SELECT work_id FROM file_edits
    WHERE channel_id = :channel AND undo_id IS NULL AND (refused = 0 OR :force)
    ORDER BY n DESC LIMIT 1)
ORDER BY n LIMIT :limit;

-- An undo has taken back what was done to one file up to :last.
-- name: file_edits_undone :exec
-- param: undo_id text
-- param: channel text
-- param: work text
-- param: path text
-- param: last int
UPDATE file_edits SET undo_id = :undo_id, refused = 0
WHERE channel_id = :channel AND work_id = :work AND path = :path AND n <= :last AND undo_id IS NULL;

-- It has left that as it was.
-- name: file_edits_refused :exec
-- param: channel text
-- param: work text
-- param: path text
-- param: last int
UPDATE file_edits SET refused = 1
WHERE channel_id = :channel AND work_id = :work AND path = :path AND n <= :last AND undo_id IS NULL;

-- name: file_undo_insert :exec
INSERT INTO file_undos
    (undo_id, channel_id, work_id, workspace, path, found_state, found_hash, found_mode,
    found_bytes, put_hash, undone_at)
VALUES (:undo_id, :channel_id, :work_id, :workspace, :path, :found_state, :found_hash, :found_mode,
    :found_bytes, :put_hash, :undone_at);

-- Where something was taken back last, and that still holds.
-- name: file_undo_newest :one
SELECT channel_id FROM file_undos WHERE redone_at IS NULL ORDER BY n DESC LIMIT 1;

-- What the newest undo in a channel has done, of what still holds.
-- name: file_undos_newest :many
-- param: channel text
-- param: limit int
SELECT n, undo_id, work_id, workspace, path, found_state, found_hash, found_mode, found_bytes,
    put_hash
FROM file_undos
WHERE channel_id = :channel AND redone_at IS NULL AND undo_id = (
    SELECT undo_id FROM file_undos WHERE channel_id = :channel AND redone_at IS NULL
    ORDER BY n DESC LIMIT 1)
ORDER BY n LIMIT :limit;

-- An undo was taken back for one file: its edits hold again.
-- name: file_undo_redone :exec
-- param: redone_at int
-- param: undo_id text
-- param: path text
UPDATE file_undos SET redone_at = :redone_at
WHERE undo_id = :undo_id AND path = :path AND redone_at IS NULL;

-- name: file_edits_redone :exec
-- param: undo_id text
-- param: path text
UPDATE file_edits SET undo_id = NULL WHERE undo_id = :undo_id AND path = :path;

-- What was asked for with this id; none for what was written to a worker.
-- name: file_work_text :one
SELECT content FROM conversation_messages WHERE id = :id;

-- Requests that changed files, the newest first; of one channel, or with NULL of all.
-- name: file_works :many
-- param: channel text?
-- param: limit int
-- column: edited_at int
-- column: holds int
SELECT e.channel_id, e.work_id, max(e.edited_at) AS edited_at, sum(e.undo_id IS NULL) AS holds,
    (SELECT m.content FROM conversation_messages AS m WHERE m.id = e.work_id) AS content
FROM file_edits AS e WHERE :channel IS NULL OR e.channel_id = :channel
GROUP BY e.channel_id, e.work_id ORDER BY max(e.n) DESC LIMIT :limit;

-- The files of one of them, in the order in which they were changed first.
-- name: file_work_paths :many
-- param: channel text
-- param: work text
-- column: edits int
-- column: holds int
SELECT path, workspace, count(*) AS edits, sum(undo_id IS NULL) AS holds
FROM file_edits WHERE channel_id = :channel AND work_id = :work
GROUP BY path ORDER BY min(n);
