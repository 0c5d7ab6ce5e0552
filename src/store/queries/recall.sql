-- What recall reads. Ranking is in src/memory; here is only what it ranks.

-- SQLite's own way to its tokenizers (a pointer is bound; nothing is written there but by FTS5).
-- name: fts5_api :one
-- param: api blob
-- column: api blob?
SELECT fts5(:api) AS api;

-- Where a word stands: the turns in the order of their places, once for each time it is in them.
-- name: recall_turns_with :many
-- param: term text
-- param: limit int
-- column: place int
SELECT doc AS place FROM turns_instances WHERE term = :term LIMIT :limit;

-- Turns with a piece of text in them, the newest places first.
-- name: recall_turns_containing :many
-- param: match text
-- param: limit int
-- column: place int
SELECT rowid AS place FROM turns_trigrams WHERE turns_trigrams MATCH :match ORDER BY rowid DESC LIMIT :limit;

-- The same for a piece that is too short for three characters in a row: read through.
-- name: recall_turns_scanned :many
-- param: piece text
-- param: limit int
SELECT t.place FROM recall_turns AS t JOIN conversation_messages AS m ON m.n = t.message
WHERE instr(m.content, :piece) > 0 ORDER BY t.place DESC LIMIT :limit;

-- Turns that have all words of an FTS5 expression, the newest places first.
-- name: recall_turns_matching :many
-- param: match text
-- param: limit int
-- column: place int
SELECT rowid AS place FROM turns_words WHERE turns_words MATCH :match ORDER BY rowid DESC LIMIT :limit;

-- One row. Whoever reads further from within its row function sees one state of the store.
-- name: recall_totals :many
SELECT turns, bytes, stretches FROM recall_totals;

-- Neighbours.
-- name: recall_turns_between :many
-- param: first int
-- param: last int
SELECT place, at, bytes, asks, person, stretch FROM recall_turns WHERE place BETWEEN :first AND :last
ORDER BY place;

-- name: recall_stretch :one
SELECT first, last, bytes, at FROM recall_stretches WHERE first = :first;

-- name: recall_turn :one
SELECT m.id, m.channel_id, m.sender_name, m.role, m.content, m.created_at
FROM recall_turns AS t JOIN conversation_messages AS m ON m.n = t.message WHERE t.place = :place;

-- The newest turns between two times (milliseconds, the first included), of a person, of a channel.
-- name: recall_turns_newest :many
-- param: since int
-- param: until int
-- param: person int?
-- param: channel int?
-- param: limit int
SELECT place, at, bytes, asks, person, stretch FROM recall_turns
WHERE at >= :since AND at < :until AND (:person IS NULL OR person = :person)
    AND (:channel IS NULL OR place >> 24 = :channel)
ORDER BY at DESC, place DESC LIMIT :limit;

-- name: recall_channel :one
SELECT n FROM recall_channels WHERE channel_id = :channel_id;

-- Who speaks in conversations, the last to come first.
-- name: recall_people :many
-- param: limit int
SELECT n, name FROM recall_people ORDER BY n DESC LIMIT :limit;

-- name: recall_memories_with :many
-- param: term text
-- param: limit int
-- column: n int
SELECT doc AS n FROM memories_instances WHERE term = :term LIMIT :limit;

-- Memories with a piece of text in them, the newest first.
-- name: recall_memories_containing :many
-- param: match text
-- param: limit int
-- column: n int
SELECT rowid AS n FROM memories_trigrams WHERE memories_trigrams MATCH :match ORDER BY rowid DESC LIMIT :limit;

-- name: recall_memories_scanned :many
-- param: piece text
-- param: limit int
SELECT n FROM memories WHERE instr(content, :piece) > 0 ORDER BY n DESC LIMIT :limit;

-- Memories that have all words of an FTS5 expression, the newest first.
-- name: recall_memories_matching :many
-- param: match text
-- param: limit int
-- column: n int
SELECT rowid AS n FROM memories_words WHERE memories_words MATCH :match ORDER BY rowid DESC LIMIT :limit;

-- How many there may be.
-- name: recall_memories_last :one
-- column: last int
SELECT coalesce(max(n), 0) AS last FROM memories;

-- name: recall_memory :one
SELECT id, type, content, importance, strength, channel_id, person, created_at, forgotten_at
FROM memories WHERE n = :n;

-- name: recall_memory_facts :one
-- column: bytes int
SELECT type, strength, channel_id, person, created_at, forgotten_at,
    length(CAST(content AS BLOB)) AS bytes
FROM memories WHERE n = :n;

-- name: recall_memories_newest :many
-- param: since int
-- param: until int
SELECT n, type, channel_id, person, created_at FROM memories
WHERE forgotten_at IS NULL AND created_at >= :since AND created_at < :until
ORDER BY created_at DESC, n DESC;

-- Those of a type that are worth the most.
-- name: recall_memories_of_type :many
-- param: type
SELECT n, type, channel_id, person, strength, created_at FROM memories
WHERE forgotten_at IS NULL AND type = :type ORDER BY strength DESC, updated_at DESC, id;

-- What a memory hangs together with, either way.
-- name: recall_edges :many
-- param: n int
-- param: limit int
-- column: other int
SELECT e.relation, e.weight, o.n AS other, m.id, m.content
FROM memories AS m JOIN memory_edges AS e ON e.source_id = m.id JOIN memories AS o ON o.id = e.target_id
WHERE m.n = :n AND o.forgotten_at IS NULL
UNION ALL
SELECT e.relation, e.weight, o.n AS other, m.id, m.content
FROM memories AS m JOIN memory_edges AS e ON e.target_id = m.id JOIN memories AS o ON o.id = e.source_id
WHERE m.n = :n AND o.forgotten_at IS NULL
LIMIT :limit;
