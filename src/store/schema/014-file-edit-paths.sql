-- The edits of one file of a request are found without looking at all of the request: an undo marks
-- them file by file.
DROP INDEX file_edits_by_work;
CREATE INDEX file_edits_by_work ON file_edits (work_id, path, n);
DROP INDEX file_edits_by_undo;
CREATE INDEX file_edits_by_undo ON file_edits (undo_id, path) WHERE undo_id IS NOT NULL;
DROP INDEX file_undos_by_undo;
CREATE INDEX file_undos_by_undo ON file_undos (undo_id, path);
