-- Memory: a typed graph. What is known stands in memories, how it hangs together in memory_edges, and every
-- change of either in memory_history, from which it can be taken back. Nothing is ever deleted here: what is
-- forgotten keeps its row.

CREATE TABLE memories (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL CHECK (type IN ('identity', 'goal', 'human', 'decision', 'todo', 'preference',
        'fact', 'event', 'observation')),
    content TEXT NOT NULL CHECK (content <> '' AND length(CAST(content AS BLOB)) <= 50000),
    importance REAL NOT NULL CHECK (importance BETWEEN 0 AND 1),  -- as it was given
    strength REAL NOT NULL CHECK (strength BETWEEN 0 AND 1),      -- what age and use have made of that
    source TEXT,                                -- where it comes from: a full process id, 'person', a file
    channel_id TEXT,                            -- of the conversation it comes from; may be gone
    person TEXT,                                -- whom it is about
    content_hash TEXT NOT NULL UNIQUE,          -- of content and person, white space evened; of 'human' the
                                                -- person alone, so that each has one such row, the anchor
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,                -- when type, content or importance last changed
    accessed_at INTEGER NOT NULL,
    access_count INTEGER NOT NULL DEFAULT 0,
    forgotten_at INTEGER,                       -- NULL: it is live
    superseded_by TEXT,                         -- the memory that took its place
    revision INTEGER NOT NULL DEFAULT 1,        -- grows with every change but accesses and strength
    -- The change that made this revision; a trigger puts it into the history.
    change TEXT NOT NULL,
    actor TEXT NOT NULL,                        -- 'person', a full process id, 'maintenance', 'import'
    reason TEXT,
    operation TEXT NOT NULL,                    -- changes of one operation are taken back together
    changed_at INTEGER NOT NULL,
    CHECK (type <> 'human' OR person IS NOT NULL),
    CHECK (superseded_by IS NULL OR forgotten_at IS NOT NULL)
) STRICT;

CREATE INDEX memories_by_type ON memories (type, strength DESC, updated_at DESC, id)
    WHERE forgotten_at IS NULL;
CREATE INDEX memories_by_time ON memories (created_at DESC) WHERE forgotten_at IS NULL;
CREATE INDEX memories_by_person ON memories (person) WHERE person IS NOT NULL;
CREATE INDEX memories_superseded ON memories (superseded_by) WHERE superseded_by IS NOT NULL;
-- What the passes of maintenance look at next.
CREATE INDEX memories_by_update ON memories (updated_at) WHERE forgotten_at IS NULL;

CREATE TABLE memory_edges (
    n INTEGER PRIMARY KEY,
    source_id TEXT NOT NULL REFERENCES memories (id) ON DELETE CASCADE,
    target_id TEXT NOT NULL REFERENCES memories (id) ON DELETE CASCADE,
    relation TEXT NOT NULL CHECK (relation IN ('related_to', 'updates', 'contradicts', 'caused_by',
        'result_of', 'part_of')),
    weight REAL NOT NULL CHECK (weight BETWEEN 0 AND 1),
    created_at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    operation TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    UNIQUE (source_id, target_id, relation),
    CHECK (source_id <> target_id)
) STRICT;

CREATE INDEX memory_edges_by_target ON memory_edges (target_id);

-- A row for each change of a memory: what it was before (content NULL: as after), or of an edge from it: its
-- weight before and after (NULL: it was not there).
CREATE TABLE memory_history (
    n INTEGER PRIMARY KEY,
    memory_id TEXT NOT NULL,
    operation TEXT NOT NULL,
    change TEXT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT,
    at INTEGER NOT NULL,
    revision INTEGER NOT NULL,                  -- that the change made; of an edge: that was then
    type TEXT,
    content TEXT,
    content_hash TEXT,
    importance REAL,
    person TEXT,
    updated_at INTEGER,
    forgotten_at INTEGER,
    superseded_by TEXT,
    target_id TEXT,                             -- the edge's; else NULL
    relation TEXT,
    weight REAL,
    weight_after REAL,
    undone_by TEXT,                             -- the operation that took it back; NULL: it holds
    undoes TEXT                                 -- the operation that it took back itself, or NULL
) STRICT;

CREATE INDEX memory_history_by_memory ON memory_history (memory_id, n);
CREATE INDEX memory_history_by_operation ON memory_history (operation);
CREATE INDEX memory_history_undone ON memory_history (undone_by) WHERE undone_by IS NOT NULL;

-- How many live ones there are of each type: the prompt tells, and counting a million takes too long.
CREATE TABLE memory_counts (
    type TEXT NOT NULL PRIMARY KEY,
    live INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO memory_counts (type, live) VALUES ('identity', 0), ('goal', 0), ('human', 0), ('decision', 0),
    ('todo', 0), ('preference', 0), ('fact', 0), ('event', 0), ('observation', 0);

-- By words, and by any three characters in a row (identifiers, parts of words, CJK).
CREATE VIRTUAL TABLE memories_words USING fts5 (content, content = 'memories', content_rowid = 'n',
    tokenize = 'porter unicode61');
CREATE VIRTUAL TABLE memories_trigrams USING fts5 (content, content = 'memories', content_rowid = 'n',
    tokenize = 'trigram');
-- How common a word is.
CREATE VIRTUAL TABLE memories_vocab USING fts5vocab ('memories_words', 'row');

CREATE TRIGGER memories_saved AFTER INSERT ON memories BEGIN
    INSERT INTO memories_words (rowid, content) VALUES (new.n, new.content);
    INSERT INTO memories_trigrams (rowid, content) VALUES (new.n, new.content);
    UPDATE memory_counts SET live = live + (new.forgotten_at IS NULL) WHERE type = new.type;
    INSERT INTO memory_history (memory_id, operation, change, actor, reason, at, revision)
    VALUES (new.id, new.operation, new.change, new.actor, new.reason, new.changed_at, new.revision);
END;

CREATE TRIGGER memories_reworded AFTER UPDATE OF content ON memories WHEN old.content IS NOT new.content BEGIN
    INSERT INTO memories_words (memories_words, rowid, content) VALUES ('delete', old.n, old.content);
    INSERT INTO memories_words (rowid, content) VALUES (new.n, new.content);
    INSERT INTO memories_trigrams (memories_trigrams, rowid, content) VALUES ('delete', old.n, old.content);
    INSERT INTO memories_trigrams (rowid, content) VALUES (new.n, new.content);
END;

CREATE TRIGGER memories_changed AFTER UPDATE OF revision ON memories BEGIN
    UPDATE memory_counts SET live = live - (old.forgotten_at IS NULL) WHERE type = old.type;
    UPDATE memory_counts SET live = live + (new.forgotten_at IS NULL) WHERE type = new.type;
    INSERT INTO memory_history (memory_id, operation, change, actor, reason, at, revision, type, content,
        content_hash, importance, person, updated_at, forgotten_at, superseded_by)
    VALUES (new.id, new.operation, new.change, new.actor, new.reason, new.changed_at, new.revision, old.type,
        CASE WHEN old.content IS NOT new.content THEN old.content END, old.content_hash, old.importance,
        old.person, old.updated_at, old.forgotten_at, old.superseded_by);
END;

CREATE TRIGGER memories_removed AFTER DELETE ON memories BEGIN
    INSERT INTO memories_words (memories_words, rowid, content) VALUES ('delete', old.n, old.content);
    INSERT INTO memories_trigrams (memories_trigrams, rowid, content) VALUES ('delete', old.n, old.content);
    UPDATE memory_counts SET live = live - (old.forgotten_at IS NULL) WHERE type = old.type;
END;

CREATE TRIGGER memory_edges_linked AFTER INSERT ON memory_edges BEGIN
    INSERT INTO memory_history (memory_id, operation, change, actor, at, revision, target_id, relation,
        weight_after)
    SELECT new.source_id, new.operation, 'linked', new.actor, new.changed_at, m.revision, new.target_id,
        new.relation, new.weight
    FROM memories AS m WHERE m.id = new.source_id;
END;

CREATE TRIGGER memory_edges_weighed AFTER UPDATE OF weight ON memory_edges
WHEN old.weight IS NOT new.weight BEGIN
    INSERT INTO memory_history (memory_id, operation, change, actor, at, revision, target_id, relation,
        weight, weight_after)
    SELECT new.source_id, new.operation, 'linked', new.actor, new.changed_at, m.revision, new.target_id,
        new.relation, old.weight, new.weight
    FROM memories AS m WHERE m.id = new.source_id;
END;
