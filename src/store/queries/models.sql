-- A model has refused what was too long for it.
-- name: model_limit_save :exec
INSERT INTO model_limits (model, context_tokens, learned_at)
VALUES (:model, :context_tokens, :learned_at)
ON CONFLICT (model) DO UPDATE SET
    context_tokens = excluded.context_tokens, learned_at = excluded.learned_at;

-- What was learned of each.
-- name: model_limits :many
SELECT model, context_tokens, learned_at FROM model_limits ORDER BY learned_at, model;
