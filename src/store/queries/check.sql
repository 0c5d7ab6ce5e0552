-- Whether the file is whole: one row "ok", or a row for each thing that is wrong with it.
-- name: quick_check :many
-- column: result text
SELECT quick_check AS result FROM pragma_quick_check;
