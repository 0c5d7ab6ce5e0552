-- name: request_insert :exec
INSERT INTO requests (n, kind, process_id, channel_id, call_id, path, tool, text, reason, pattern,
    options, multi_select, asked_at)
VALUES (:n, :kind, :process_id, :channel_id, :call_id, :path, :tool, :text, :reason, :pattern,
    :options, :multi_select, :asked_at);

-- The one end of a request.
-- name: request_end :guarded
-- param: ended_at int
UPDATE requests SET state = :state, answer = :answer, remark = :remark, ended_at = :ended_at
WHERE n = :n AND state = 'waiting';

-- name: requests_waiting :many
SELECT n, kind, process_id, channel_id, call_id, path, tool, text, reason, pattern, options,
    multi_select, asked_at
FROM requests WHERE state = 'waiting' ORDER BY n;

-- At start-up: whoever asked for a permission is gone. Questions stay.
-- name: requests_interrupt :exec
-- param: ended_at int
UPDATE requests SET state = 'interrupted', ended_at = :ended_at
WHERE state = 'waiting' AND kind = 'permission';

-- The number of the last one; 0 when there was none.
-- name: request_last :one
-- column: n int
SELECT coalesce(max(n), 0) AS n FROM requests;

-- name: permission_rule_insert :exec
INSERT INTO permission_rules (n, tool, match, action, request_n, created_at)
VALUES (:n, :tool, :match, :action, :request_n, :created_at);

-- name: permission_rule_delete :guarded
DELETE FROM permission_rules WHERE n = :n;

-- name: permission_rules :many
SELECT n, tool, match, action, request_n, created_at FROM permission_rules ORDER BY n;
