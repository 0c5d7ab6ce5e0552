-- What the writer and the migrations frame their work with.

-- name: batch_begin :internal
BEGIN IMMEDIATE;

-- name: batch_commit :internal
COMMIT;

-- name: batch_rollback :internal
ROLLBACK;
