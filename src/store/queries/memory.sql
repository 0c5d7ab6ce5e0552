-- Memories and what hangs them together. Every statement that changes one names the change, and triggers of
-- the schema put it into the history.

-- A new one, unless there is one with that hash.
-- name: memory_insert :exec
-- param: importance real
INSERT INTO memories (id, type, content, importance, strength, source, channel_id, person, content_hash,
    created_at, updated_at, accessed_at, access_count, forgotten_at, superseded_by, change, actor, reason,
    operation, changed_at)
VALUES (:id, :type, :content, :importance, :importance, :source, :channel_id, :person, :content_hash,
    :created_at, :updated_at, :accessed_at, :access_count, :forgotten_at, :superseded_by, :change, :actor,
    :reason, :operation, :changed_at)
ON CONFLICT (content_hash) DO NOTHING;

-- Makes the next revision of one that is in the revision it should be in.
-- name: memory_set :guarded
-- param: id
-- param: revision int
-- param: importance real
-- param: strength real
UPDATE memories SET type = :type, content = :content, content_hash = :content_hash,
    importance = :importance, strength = :strength, person = :person, updated_at = :updated_at,
    forgotten_at = :forgotten_at, superseded_by = :superseded_by, revision = :revision + 1,
    change = :change, actor = :actor, reason = :reason, operation = :operation, changed_at = :changed_at
WHERE id = :id AND revision = :revision;

-- It was recalled.
-- name: memory_touch :exec
-- param: id
-- param: at int
UPDATE memories SET accessed_at = max(accessed_at, :at), access_count = access_count + 1 WHERE id = :id;

-- name: memory_strength :exec
-- param: n int
-- param: strength real
UPDATE memories SET strength = :strength WHERE n = :n;

-- name: memory :one
SELECT n, id, type, content, importance, strength, source, channel_id, person, content_hash, created_at,
    updated_at, accessed_at, access_count, forgotten_at, superseded_by, revision
FROM memories WHERE id = :id;

-- name: memory_by_hash :one
SELECT n, id, type, content, importance, strength, source, channel_id, person, content_hash, created_at,
    updated_at, accessed_at, access_count, forgotten_at, superseded_by, revision
FROM memories WHERE content_hash = :content_hash;

-- The memories whose id is at least :low and less than :high: those of one prefix.
-- name: memories_between :many
-- param: low text
-- param: high text
-- param: limit int
SELECT id FROM memories WHERE id >= :low AND id < :high ORDER BY id LIMIT :limit;

-- All in the order in which they came, behind the one with number :after.
-- name: memories_all :many
-- param: after int
-- param: limit int
SELECT n, id, type, content, importance, strength, source, channel_id, person, content_hash, created_at,
    updated_at, accessed_at, access_count, forgotten_at, superseded_by, revision
FROM memories WHERE n > :after ORDER BY n LIMIT :limit;

-- The newest first, below number :before; NULL: whichever it is.
-- name: memories_newest :many
-- param: before int
-- param: type text?
-- param: person text?
-- param: channel_id text?
-- param: forgotten int
-- param: limit int
SELECT n, id, type, content, importance, strength, source, channel_id, person, content_hash, created_at,
    updated_at, accessed_at, access_count, forgotten_at, superseded_by, revision
FROM memories
WHERE n < :before AND (:type IS NULL OR type = :type) AND (:person IS NULL OR person = :person)
    AND (:channel_id IS NULL OR channel_id = :channel_id) AND (forgotten_at IS NOT NULL) = :forgotten
ORDER BY n DESC LIMIT :limit;

-- Live ones of a type, the strongest first.
-- name: memories_strongest :many
-- param: type
-- param: limit int
SELECT n, id, type, content, importance, strength, source, channel_id, person, content_hash, created_at,
    updated_at, accessed_at, access_count, forgotten_at, superseded_by, revision
FROM memories WHERE type = :type AND forgotten_at IS NULL
ORDER BY strength DESC, updated_at DESC, id LIMIT :limit;

-- How many live ones there are of each type.
-- name: memory_counts :many
SELECT type, live FROM memory_counts;

-- Puts an edge there, or gives the one that is there another weight. Nothing where an end is missing.
-- name: memory_link :exec
-- param: weight real
INSERT INTO memory_edges (source_id, target_id, relation, weight, created_at, actor, operation, changed_at)
SELECT s.id, t.id, :relation, :weight, :changed_at, :actor, :operation, :changed_at
FROM memories AS s, memories AS t WHERE s.id = :source_id AND t.id = :target_id
ON CONFLICT (source_id, target_id, relation) DO UPDATE SET weight = excluded.weight, actor = excluded.actor,
    operation = excluded.operation, changed_at = excluded.changed_at;

-- Before an edge is taken away: what it was goes into the history.
-- name: memory_unlink_note :guarded
-- param: source_id
-- param: target_id
-- param: relation text
INSERT INTO memory_history (memory_id, operation, change, actor, at, revision, target_id, relation, weight)
SELECT e.source_id, :operation, 'unlinked', :actor, :at, m.revision, e.target_id, e.relation, e.weight
FROM memory_edges AS e JOIN memories AS m ON m.id = e.source_id
WHERE e.source_id = :source_id AND e.target_id = :target_id AND e.relation = :relation;

-- name: memory_unlink :exec
DELETE FROM memory_edges
WHERE source_id = :source_id AND target_id = :target_id AND relation = :relation;

-- name: memory_edge :one
SELECT source_id, target_id, relation, weight, created_at FROM memory_edges
WHERE source_id = :source_id AND target_id = :target_id AND relation = :relation;

-- The edges of one, from it and to it, the heaviest first, with what is at the other end.
-- name: memory_edges_of :many
-- param: id text
-- param: limit int
-- column: outward int
-- column: other text
SELECT e.source_id, e.target_id, e.relation, e.weight, e.created_at, e.source_id = :id AS outward,
    m.id AS other, m.type, m.content, m.forgotten_at
FROM memory_edges AS e
JOIN memories AS m ON m.id = CASE WHEN e.source_id = :id THEN e.target_id ELSE e.source_id END
WHERE e.source_id = :id OR e.target_id = :id
ORDER BY e.weight DESC, e.n LIMIT :limit;

-- All edges in the order in which they came.
-- name: memory_edges_all :many
-- param: after int
-- param: limit int
SELECT n, source_id, target_id, relation, weight, created_at FROM memory_edges
WHERE n > :after ORDER BY n LIMIT :limit;

-- What happened to one, newest first.
-- name: memory_history :many
-- param: memory_id
-- param: limit int
SELECT n, memory_id, operation, change, actor, reason, at, revision, type, content, content_hash, importance,
    person, updated_at, forgotten_at, superseded_by, target_id, relation, weight, weight_after, undone_by
FROM memory_history WHERE memory_id = :memory_id ORDER BY n DESC LIMIT :limit;

-- What happened to all, newest first.
-- name: memory_history_newest :many
-- param: before int
-- param: limit int
SELECT n, memory_id, operation, change, actor, reason, at, revision, type, content, content_hash, importance,
    person, updated_at, forgotten_at, superseded_by, target_id, relation, weight, weight_after, undone_by
FROM memory_history WHERE n < :before ORDER BY n DESC LIMIT :limit;

-- The changes of one operation, newest first; whether what it took back had taken something back, too.
-- name: memory_operation :many
-- param: operation
-- param: limit int
-- column: again int
SELECT n, memory_id, operation, change, actor, reason, at, revision, type, content, content_hash, importance,
    person, updated_at, forgotten_at, superseded_by, target_id, relation, weight, weight_after, undone_by,
    EXISTS (SELECT 1 FROM memory_history AS u
        WHERE u.operation = memory_history.undoes AND u.undoes IS NOT NULL) AS again
FROM memory_history WHERE operation = :operation ORDER BY n DESC LIMIT :limit;

-- An operation has been taken back by another.
-- name: memory_undone :exec
-- param: operation
-- param: undone_by text?
UPDATE memory_history SET undone_by = :undone_by WHERE operation = :operation;

-- How it stands, all in all.
-- name: memory_stats :one
-- column: total int
-- column: forgotten int
-- column: edges int
-- column: changes int
-- column: oldest int?
-- column: newest int?
SELECT (SELECT count(*) FROM memories) AS total,
    (SELECT count(*) FROM memories WHERE forgotten_at IS NOT NULL) AS forgotten,
    (SELECT count(*) FROM memory_edges) AS edges,
    (SELECT count(*) FROM memory_history) AS changes,
    (SELECT min(created_at) FROM memories) AS oldest,
    (SELECT max(created_at) FROM memories) AS newest;

-- The newest operation that can be taken back, and does not take another back itself: of one memory, or with
-- NULL of all.
-- name: memory_undoable :one
-- param: memory_id text?
SELECT h.operation FROM memory_history AS h
WHERE h.undone_by IS NULL AND h.undoes IS NULL AND (:memory_id IS NULL OR h.memory_id = :memory_id)
ORDER BY h.n DESC LIMIT 1;

-- Changes of a memory after a revision that hold.
-- name: memory_changed_since :one
-- param: revision int
-- column: changes int
SELECT count(*) AS changes FROM memory_history
WHERE memory_id = :memory_id AND revision > :revision AND target_id IS NULL
    AND undone_by IS NULL AND undoes IS NULL;

-- What an operation took back itself.
-- name: memory_undoes :exec
-- param: operation
-- param: undoes text?
UPDATE memory_history SET undoes = :undoes WHERE operation = :operation;

-- The operations whose id is at least :low and less than :high: those of one prefix.
-- name: memory_operations_between :many
-- param: low text
-- param: high text
-- param: limit int
SELECT DISTINCT operation FROM memory_history
WHERE operation >= :low AND operation < :high ORDER BY operation LIMIT :limit;

-- What another operation had taken back holds again.
-- name: memory_redone :exec
-- param: undone_by text
UPDATE memory_history SET undone_by = NULL WHERE undone_by = :undone_by;

-- The numbers of memories with some words, in no order.
-- name: memories_with :many
-- param: match text
-- param: limit int
-- column: n int
SELECT rowid AS n FROM memories_words WHERE memories_words MATCH :match LIMIT :limit;

-- name: memory_at :one
SELECT n, id, type, content, importance, strength, source, channel_id, person, content_hash, created_at,
    updated_at, accessed_at, access_count, forgotten_at, superseded_by, revision
FROM memories WHERE n = :n;

-- An edge as it comes from elsewhere; one that is there stays as it is.
-- name: memory_edge_insert :exec
-- param: weight real
-- param: created_at int
INSERT INTO memory_edges (source_id, target_id, relation, weight, created_at, actor, operation, changed_at)
VALUES (:source_id, :target_id, :relation, :weight, :created_at, :actor, :operation, :changed_at)
ON CONFLICT (source_id, target_id, relation) DO NOTHING;

-- Where the indexes and counts do not agree with the rows: how many differ; 0: all is well.
-- name: memory_check :one
-- column: words int
-- column: trigrams int
-- column: edges int
-- column: counts int
SELECT (SELECT count(*) FROM memories WHERE n NOT IN (SELECT id FROM memories_words_docsize))
        + (SELECT count(*) FROM memories_words_docsize WHERE id NOT IN (SELECT n FROM memories)) AS words,
    (SELECT count(*) FROM memories WHERE n NOT IN (SELECT id FROM memories_trigrams_docsize))
        + (SELECT count(*) FROM memories_trigrams_docsize WHERE id NOT IN (SELECT n FROM memories)) AS trigrams,
    (SELECT count(*) FROM memory_edges WHERE source_id NOT IN (SELECT id FROM memories)
        OR target_id NOT IN (SELECT id FROM memories)) AS edges,
    (SELECT count(*) FROM memory_counts AS c WHERE live <> (SELECT count(*) FROM memories AS m
        WHERE m.type = c.type AND m.forgotten_at IS NULL)) AS counts;

-- The indexes and counts, made anew from the rows; edges that lead nowhere go.
-- name: memory_repair_words :exec
-- param: rebuild text
INSERT INTO memories_words (memories_words) VALUES (:rebuild);

-- name: memory_repair_trigrams :exec
-- param: rebuild text
INSERT INTO memories_trigrams (memories_trigrams) VALUES (:rebuild);

-- name: memory_repair_edges :exec
DELETE FROM memory_edges WHERE source_id NOT IN (SELECT id FROM memories)
    OR target_id NOT IN (SELECT id FROM memories);

-- name: memory_repair_counts :exec
UPDATE memory_counts SET live = (SELECT count(*) FROM memories AS m
    WHERE m.type = memory_counts.type AND m.forgotten_at IS NULL);
