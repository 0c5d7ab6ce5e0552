-- Recall over conversations: every turn by its words and by any three characters in a row, and what ranks it.
--
-- A turn's place is its channel's number and its number there, so that the turns before and after it are its
-- neighbours here: the context of a turn is read off the same index, which holds each word once.

CREATE TABLE recall_channels (
    n INTEGER PRIMARY KEY,
    channel_id TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE recall_people (
    n INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE recall_turns (
    place INTEGER PRIMARY KEY,                  -- recall_channels.n * 2^24 + conversation_messages.seq
    message INTEGER NOT NULL UNIQUE,            -- conversation_messages.n
    at INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    asks INTEGER NOT NULL,                      -- 0: no question, 1: there is one in it, 2: it ends with one
    person INTEGER,                             -- recall_people.n: who said it
    stretch INTEGER NOT NULL DEFAULT 0          -- the place of the first turn of its stretch of talk
) STRICT;

CREATE INDEX recall_turns_by_time ON recall_turns (at);

-- What was said without a long pause, at most 256 turns of it.
CREATE TABLE recall_stretches (
    first INTEGER PRIMARY KEY,                  -- place
    last INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    at INTEGER NOT NULL
) STRICT;

-- One row: counting a million takes too long.
CREATE TABLE recall_totals (
    turns INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    stretches INTEGER NOT NULL
) STRICT;

INSERT INTO recall_totals (turns, bytes, stretches) VALUES (0, 0, 0);

-- Of a turn longer than 64 K characters the beginning is indexed.
CREATE VIEW recall_texts AS
SELECT t.place AS place, substr(m.content, 1, 65536) AS content
FROM recall_turns AS t JOIN conversation_messages AS m ON m.n = t.message;

CREATE VIRTUAL TABLE turns_words USING fts5 (content, content = 'recall_texts', content_rowid = 'place',
    tokenize = 'porter unicode61');
CREATE VIRTUAL TABLE turns_trigrams USING fts5 (content, content = 'recall_texts', content_rowid = 'place',
    tokenize = 'trigram');
-- Where each word is, one row for each time it is there.
CREATE VIRTUAL TABLE turns_instances USING fts5vocab ('turns_words', 'instance');

-- Which messages are turns: what was for the engine, or comes from it, is none.
CREATE VIEW recall_spoken AS
SELECT m.n AS message, m.channel_id, m.seq, m.sender_name, m.content, m.created_at
FROM conversation_messages AS m
WHERE m.content <> '' AND m.sender_name IS NOT 'system'
    AND CASE WHEN json_valid(m.metadata) THEN json_extract(m.metadata, '$.command') END IS NOT 1
    AND CASE WHEN json_valid(m.metadata) THEN json_extract(m.metadata, '$.system') END IS NOT 1;

CREATE VIEW recall_new AS
SELECT (c.n << 24) + s.seq AS place, s.message, s.created_at AS at,
    length(CAST(substr(s.content, 1, 65536) AS BLOB)) AS bytes,
    CASE WHEN rtrim(s.content, ' )"''*_' || char(9, 10, 13)) GLOB '*[?？]' THEN 2
         WHEN s.content GLOB '*[?？]*' THEN 1 ELSE 0 END AS asks,
    p.n AS person
FROM recall_spoken AS s JOIN recall_channels AS c ON c.channel_id = s.channel_id
    LEFT JOIN recall_people AS p ON p.name = s.sender_name;

CREATE TRIGGER turns_told AFTER INSERT ON conversation_messages BEGIN
    INSERT INTO recall_channels (channel_id) VALUES (new.channel_id) ON CONFLICT DO NOTHING;
    INSERT INTO recall_people (name) SELECT new.sender_name WHERE new.sender_name IS NOT NULL
    ON CONFLICT DO NOTHING;
    INSERT INTO recall_turns (place, message, at, bytes, asks, person)
    SELECT place, message, at, bytes, asks, person FROM recall_new WHERE message = new.n;
END;

-- A pause of two hours begins another stretch.
CREATE TRIGGER turns_indexed AFTER INSERT ON recall_turns BEGIN
    INSERT INTO turns_words (rowid, content) SELECT place, content FROM recall_texts WHERE place = new.place;
    INSERT INTO turns_trigrams (rowid, content) SELECT place, content FROM recall_texts WHERE place = new.place;
    UPDATE recall_turns SET stretch = coalesce((
        SELECT stretch FROM recall_turns
        WHERE place = (SELECT max(place) FROM recall_turns
                WHERE place < new.place AND place >= new.place >> 24 << 24)
            AND new.at - at < 7200000 AND new.place - stretch < 256), new.place)
    WHERE place = new.place;
    INSERT INTO recall_stretches (first, last, bytes, at)
    SELECT stretch, place, bytes, at FROM recall_turns WHERE place = new.place
    ON CONFLICT (first) DO UPDATE SET last = excluded.last, bytes = bytes + excluded.bytes;
    UPDATE recall_totals SET turns = turns + 1, bytes = bytes + new.bytes, stretches = stretches +
        (SELECT stretch = place FROM recall_turns WHERE place = new.place);
END;

CREATE TRIGGER turns_reworded AFTER UPDATE OF content ON conversation_messages
WHEN old.content IS NOT new.content BEGIN
    INSERT INTO turns_words (turns_words, rowid, content)
    SELECT 'delete', place, substr(old.content, 1, 65536) FROM recall_turns WHERE message = new.n;
    INSERT INTO turns_trigrams (turns_trigrams, rowid, content)
    SELECT 'delete', place, substr(old.content, 1, 65536) FROM recall_turns WHERE message = new.n;
    INSERT INTO turns_words (rowid, content)
    SELECT place, substr(new.content, 1, 65536) FROM recall_turns WHERE message = new.n;
    INSERT INTO turns_trigrams (rowid, content)
    SELECT place, substr(new.content, 1, 65536) FROM recall_turns WHERE message = new.n;
END;

CREATE TRIGGER turns_removed AFTER DELETE ON conversation_messages BEGIN
    INSERT INTO turns_words (turns_words, rowid, content)
    SELECT 'delete', place, substr(old.content, 1, 65536) FROM recall_turns WHERE message = old.n;
    INSERT INTO turns_trigrams (turns_trigrams, rowid, content)
    SELECT 'delete', place, substr(old.content, 1, 65536) FROM recall_turns WHERE message = old.n;
    UPDATE recall_totals SET turns = turns - 1,
        bytes = bytes - (SELECT bytes FROM recall_turns WHERE message = old.n)
    WHERE EXISTS (SELECT 1 FROM recall_turns WHERE message = old.n);
    DELETE FROM recall_turns WHERE message = old.n;
END;

-- What was said before this.
INSERT INTO recall_channels (channel_id)
SELECT DISTINCT channel_id FROM conversation_messages WHERE true ORDER BY channel_id;
INSERT INTO recall_people (name)
SELECT DISTINCT sender_name FROM conversation_messages WHERE sender_name IS NOT NULL ORDER BY sender_name;
INSERT INTO recall_turns (place, message, at, bytes, asks, person)
SELECT place, message, at, bytes, asks, person FROM recall_new ORDER BY place;

-- The same of memories.
CREATE VIRTUAL TABLE memories_instances USING fts5vocab ('memories_words', 'instance');
