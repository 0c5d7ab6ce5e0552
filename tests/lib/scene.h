/* scene: scenario rules that several system tests share, as JSON text for fake_start(). The models
 * in them know the question and never the answer: what the reply says has to come from a command
 * that really ran. */
#ifndef TESTLIB_SCENE_H
#define TESTLIB_SCENE_H

/* The channel's models have spawn_worker, the workers' have shell. */
#define SCENE_CHANNEL "\"has_tool\":\"spawn_worker\""
#define SCENE_WORKER "\"has_tool\":\"shell\""

/* "How many lines has numbers.txt?": the channel delegates and says so, the worker counts and
 * reports between << and
 * >>, the channel is told and answers. */
#define SCENE_QUESTION "How many lines has numbers.txt?"
#define SCENE_COUNT_ASK                                                                            \
    "{\"match\":{" SCENE_CHANNEL ",\"last_user_contains\":\"How many lines\",\"step\":0},"         \
    "\"respond\":[{\"thinking\":\"Somebody has to look.\"},"                                       \
    "{\"tool_use\":{\"name\":\"spawn_worker\",\"input\":"                                          \
    "{\"task\":\"Count the lines of numbers.txt with wc.\"}}}]},"                                  \
    "{\"match\":{" SCENE_CHANNEL ",\"last_user_contains\":\"How many lines\",\"step\":1},"         \
    "\"respond\":[{\"tool_use\":{\"name\":\"reply\",\"input\":"                                    \
    "{\"content\":\"I am having them counted.\"}}}]}"
#define SCENE_COUNT_ANSWER                                                                         \
    "{\"match\":{" SCENE_CHANNEL ",\"last_user_contains\":\"<<\",\"step\":0},"                     \
    "\"respond\":[{\"tool_use\":{\"name\":\"reply\",\"input\":"                                    \
    "{\"content\":\"Counted – wc says: ${worker_result}.\"}}}]}"
#define SCENE_COUNT_REPORT                                                                         \
    "{\"match\":{" SCENE_WORKER ",\"last_tool_result_contains\":\"numbers.txt\",\"step\":1},"      \
    "\"respond\":[{\"tool_use\":{\"name\":\"set_status\",\"input\":"                               \
    "{\"status\":\"<<${tool_result_line:1}>>\",\"kind\":\"outcome\"}}}]},"                         \
    "{\"match\":{" SCENE_WORKER ",\"last_user_contains\":\"Count the lines\",\"step\":2},"         \
    "\"respond\":[{\"text\":\"The lines are counted.\"}]}"
#define SCENE_COUNT_WORK                                                                           \
    "{\"match\":{" SCENE_WORKER ",\"last_user_contains\":\"Count the lines\",\"step\":0},"         \
    "\"respond\":[{\"text\":\"Counting – 数える.\"},"                                         \
    "{\"tool_use\":{\"name\":\"shell\",\"input\":{\"command\":\"wc -l numbers.txt\"}}}]}"
#define SCENE_COUNT                                                                                \
    SCENE_COUNT_ASK "," SCENE_COUNT_ANSWER "," SCENE_COUNT_WORK "," SCENE_COUNT_REPORT

/* A worker that runs one command and reports its last line of output: asked for with "run it",
 * answered "It is over.". The result comes before the request: the channel has skipped its turn, so
 * both stand in one message of the person's.
 */
#define SCENE_RUN(command)                                                                         \
    "{\"match\":{" SCENE_CHANNEL ",\"last_user_contains\":\"has come back\",\"step\":0},"          \
    "\"respond\":[{\"tool_use\":{\"name\":\"reply\",\"input\":{\"content\":\"It is over.\"}}}]},"  \
    "{\"match\":{" SCENE_CHANNEL ",\"last_user_contains\":\"run it\",\"step\":0},"                 \
    "\"respond\":[{\"tool_use\":{\"name\":\"spawn_worker\",\"input\":"                             \
    "{\"task\":\"Run the command.\"}}}]},"                                                         \
    "{\"match\":{" SCENE_CHANNEL ",\"last_user_contains\":\"run it\",\"step\":1},"                 \
    "\"respond\":[{\"tool_use\":{\"name\":\"skip\",\"input\":{}}}]},"                              \
    "{\"match\":{" SCENE_WORKER ",\"last_user_contains\":\"Run the command\",\"step\":0},"         \
    "\"respond\":[{\"tool_use\":{\"name\":\"shell\",\"input\":{\"command\":\"" command "\"}}}]},"  \
    "{\"match\":{" SCENE_WORKER ",\"last_user_contains\":\"Run the command\",\"step\":1},"         \
    "\"respond\":[{\"tool_use\":{\"name\":\"set_status\",\"input\":"                               \
    "{\"status\":\"It ended with: ${tool_result_line:-2}\",\"kind\":\"outcome\"}}}]},"             \
    "{\"match\":{" SCENE_WORKER ",\"last_user_contains\":\"Run the command\",\"step\":2},"         \
    "\"respond\":[{\"text\":\"Done.\"}]}"

/* "say hello": a reply in plain text. */
#define SCENE_SAY                                                                                  \
    "{\"match\":{" SCENE_CHANNEL ",\"last_user_contains\":\"say hello\"},"                         \
    "\"respond\":[{\"text\":\"Hello there.\"}]}"

#define SCENE(rules) "{\"rules\":[" rules "]}"

/* numbers.txt of so many lines into the workspace. */
struct tmphome;
void scene_numbers(struct tmphome *h, int lines);

#endif
