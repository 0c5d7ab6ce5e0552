-- A closed entry; one that is written again replaces itself.
-- name: journal_append :exec
INSERT INTO process_journal
    (process_id, seq, kind, at, ended_at, title, ref, text, result, is_error, interrupted)
VALUES (:process_id, :seq, :kind, :at, :ended_at, :title, :ref, :text, :result, :is_error,
    :interrupted)
ON CONFLICT (process_id, seq) DO UPDATE SET
    kind = excluded.kind, ended_at = excluded.ended_at, title = excluded.title,
    ref = excluded.ref, text = excluded.text, result = excluded.result,
    is_error = excluded.is_error, interrupted = excluded.interrupted;

-- A process's entries from :from on, in order.
-- name: journal :many
-- param: process_id
-- param: from int
-- param: limit int
SELECT seq, kind, at, ended_at, title, ref, text, result, is_error, interrupted
FROM process_journal WHERE process_id = :process_id AND seq >= :from ORDER BY seq LIMIT :limit;

-- Its newest entries, in order.
-- name: journal_newest :many
-- param: process_id
-- param: limit int
SELECT seq, kind, at, ended_at, title, ref, text, result, is_error, interrupted FROM (
    SELECT seq, kind, at, ended_at, title, ref, text, result, is_error, interrupted
    FROM process_journal WHERE process_id = :process_id ORDER BY seq DESC LIMIT :limit)
ORDER BY seq;

-- The first process whose full id is at least :low and less than :high; the next one is found by
-- asking again for what is greater. So a prefix costs a look-up for each process, not for each entry.
-- name: journal_process_from :one
-- param: low text
-- param: high text
SELECT process_id FROM process_journal WHERE process_id >= :low AND process_id < :high
ORDER BY process_id LIMIT 1;

-- The number of its last entry; 0 when it has none.
-- name: journal_last :one
-- column: seq int
SELECT coalesce(max(seq), 0) AS seq FROM process_journal WHERE process_id = :process_id;

-- What all processes did in a stretch of time, in the order in which it was over, behind the entry
-- (:at, :place); with what the rows of workers and branches say of them.
-- name: journal_between :many
-- param: at int
-- param: place int
-- param: until int
-- param: limit int
-- column: place int
-- column: channel_id text?
-- column: interactive int
-- column: outcome_version int
-- column: transcript_version int
-- column: max_turns int
-- column: tool_calls int
-- column: status text?
-- column: profile text?
-- column: transcript blob?
SELECT j.rowid AS place, j.process_id, j.kind, j.at, j.ended_at, j.title, j.ref, j.text, j.result,
    j.is_error, j.interrupted, coalesce(w.channel_id, b.channel_id) AS channel_id, w.parent,
    coalesce(w.interactive, 0) AS interactive, w.directory, w.terminal_owner,
    coalesce(w.outcome_version, 0) AS outcome_version,
    coalesce(w.transcript_version, 0) AS transcript_version,
    b.status, b.profile, b.model, coalesce(b.max_turns, 0) AS max_turns,
    coalesce(b.tool_calls, 0) AS tool_calls,
    CASE WHEN j.kind = 'result' THEN b.transcript END AS transcript
FROM process_journal AS j
LEFT JOIN worker_runs AS w ON w.id = substr(j.process_id, 8) AND j.process_id LIKE 'worker:%'
LEFT JOIN branch_runs AS b ON b.id = substr(j.process_id, 8) AND j.process_id LIKE 'branch:%'
WHERE j.ended_at >= :at AND (j.ended_at, j.rowid) > (:at, :place) AND j.ended_at <= :until
ORDER BY j.ended_at, j.rowid LIMIT :limit;
