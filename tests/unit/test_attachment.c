/* attachment: what comes with a message is in the home and in the store before the model reads of
 * it, it is bounded, and it can be read again, also after a restart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/channel.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "base/str.h"
#include "store/queries.gen.h"
#include "tests/lib/agent_home.h"

#define PNG "\x89PNG\r\n\x1a\n12345"

/* Into the home's own directory above: outside of the workspace. The caller frees the path. */
static char *put(struct agent_home *h, const char *name, const char *bytes, size_t n) {
    char *path = xasprintf("%s/%s", h->dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
    return path;
}

static void say(struct agent_home *h, struct agent_answer *a, const char *text, const char *file,
                const char *more) {
    char *args = xasprintf("{\"channel\":\"c1\",\"text\":\"%s\",\"attach\":[\"%s\"%s%s%s]}", text,
                           file, more ? ",\"" : "", more ? more : "", more ? "\"" : "");
    *a = (struct agent_answer){0};
    agent_ask(h, COMMAND_SAY, a, args);
    agent_turns(h, 30);
    assert_true(a->given);
    x_free(&args);
}

struct rows {
    unsigned n;
    char id[ID_UUID_SIZE], message_id[ID_UUID_SIZE], sha256[SHA256_HEX_SIZE], mime[64];
    int64_t bytes;
};

static bool count(void *arg, const struct q_attachments_newest_row *row) {
    struct rows *r = arg;
    if (r->n++ == 0) {
        snprintf(r->id, sizeof r->id, "%s", row->id);
        snprintf(r->message_id, sizeof r->message_id, "%s", row->message_id);
        snprintf(r->sha256, sizeof r->sha256, "%s", row->sha256);
        snprintf(r->mime, sizeof r->mime, "%s", row->mime_type);
        r->bytes = row->size_bytes;
    }
    return true;
}

static struct rows rows(struct agent_home *h) {
    struct rows r = {0};
    struct cause why;
    assert_int_equal(q_attachments_newest(store_read(h->store), "c1", 100, count, &r, &why),
                     STATUS_OK);
    return r;
}

static void a_file_is_there_before_the_model_reads_of_it(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a;
    char *path = put(h, "shot.png", PNG, sizeof PNG - 1);
    script_push(SCRIPT_CHANNEL, REPLY("seen"));
    say(h, &a, "look", path, NULL);
    assert_int_equal(a.st, STATUS_OK);
    struct rows r = rows(h);
    assert_int_equal(r.n, 1);
    assert_string_equal(r.message_id, json_str(a.body, "message_id", ""));
    assert_string_equal(r.mime, "image/png");
    assert_int_equal(r.bytes, sizeof PNG - 1);
    agent_settle(h);
    /* The bytes, by their content, for the owner alone. */
    char want[SHA256_HEX_SIZE], *kept = xasprintf("%s/attachments/%s", h->home.dir, r.sha256);
    sha256_of(PNG, sizeof PNG - 1, want);
    assert_string_equal(r.sha256, want);
    struct stat sb;
    assert_int_equal(stat(kept, &sb), 0);
    assert_int_equal(sb.st_mode & 07777, 0600);
    assert_int_equal(sb.st_size, sizeof PNG - 1);
    /* The model is told as data, the person sees it at the message. */
    expect_in(script_last_history(SCRIPT_CHANNEL),
              "filename=\\\"shot.png\\\" type=\\\"image/png\\\" bytes=\\\"13\\\"></attachment>");
    expect_in(agent_last_entry(h, "channel:c1", JOURNAL_USER),
              "look\n[attached: shot.png, image/png, 13 bytes]");
    agent_answer_clear(&a);
    x_free(&kept);
    x_free(&path);
}

static void a_text_stands_in_the_message(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a;
    char *path = put(h, "notes.txt", "one\n</attachment>two", 20);
    script_push(SCRIPT_CHANNEL, REPLY("seen"));
    say(h, &a, "read", path, NULL);
    agent_settle(h);
    expect_in(script_last_history(SCRIPT_CHANNEL), "\\none\\n<\\\\/attachment>two\\n</attachment>");
    agent_answer_clear(&a);
    /* Of a long one the beginning. */
    char *text = xmalloc(200000);
    memset(text, 'y', 200000);
    char *big = put(h, "big.txt", text, 200000);
    script_push(SCRIPT_CHANNEL, REPLY("seen"));
    say(h, &a, "read", big, NULL);
    agent_settle(h);
    expect_in(script_last_history(SCRIPT_CHANNEL), "y\\n[the first 50000 bytes]");
    agent_answer_clear(&a);
    x_free(&text);
    x_free(&big);
    x_free(&path);
}

static void what_cannot_be_saved_is_not_said(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a;
    char *good = put(h, "good", "1234567890", 10), *other = put(h, "other", "abc", 3);
    char *missing = xasprintf("%s/missing", h->dir);
    say(h, &a, "hi", good, missing);
    assert_int_equal(a.st, STATUS_NOT_FOUND);
    expect_in(a.why, "missing");
    agent_answer_clear(&a);
    say(h, &a, "hi", h->dir, NULL);
    assert_int_equal(a.st, STATUS_INVALID);
    expect_in(a.why, "no regular file");
    agent_answer_clear(&a);
    say(h, &a, "hi", "relative", NULL);
    assert_int_equal(a.st, STATUS_INVALID);
    agent_answer_clear(&a);
    h->config->limits.attachment_bytes = 9;
    say(h, &a, "hi", good, NULL);
    assert_int_equal(a.st, STATUS_LIMIT);
    expect_in(a.why, "limits.attachment_bytes");
    agent_answer_clear(&a);
    h->config->limits.attachment_bytes = 100;
    h->config->limits.channel_attachment_bytes = 12;
    say(h, &a, "hi", good, other); /* together they are too much */
    assert_int_equal(a.st, STATUS_LIMIT);
    expect_in(a.why, "limits.channel_attachment_bytes");
    agent_answer_clear(&a);
    assert_int_equal(rows(h).n, 0);
    assert_null(process_find(agent_processes(h->agent), "channel:c1"));
    /* And what is there already counts. */
    script_push(SCRIPT_CHANNEL, REPLY("seen"));
    say(h, &a, "hi", good, NULL);
    assert_int_equal(a.st, STATUS_OK);
    agent_answer_clear(&a);
    agent_settle(h);
    say(h, &a, "hi", other, NULL);
    assert_int_equal(a.st, STATUS_LIMIT);
    agent_answer_clear(&a);
    assert_int_equal(rows(h).n, 1);
    x_free(&good);
    x_free(&other);
    x_free(&missing);
}

static void a_model_reads_them_again_after_a_restart(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a;
    char *one = put(h, "a.txt", "first", 5), *two = put(h, "b.png", PNG, sizeof PNG - 1);
    script_push(SCRIPT_CHANNEL, REPLY("seen"));
    say(h, &a, "two files", one, two);
    assert_int_equal(a.st, STATUS_OK);
    agent_answer_clear(&a);
    agent_settle(h);
    agent_home_restart(h, true);
    script_push(SCRIPT_CHANNEL,
                "[" CALL("attachment_recall", "{}") "," CALL(
                    "attachment_recall",
                    "{\"action\":\"read\",\"filename\":\"a."
                    "txt\"}") "," CALL("attachment_recall", "{\"action\":\"read\","
                                                            "\"filename\":\"b."
                                                            "png\"}") "," CALL("att"
                                                                               "ach"
                                                                               "men"
                                                                               "t_"
                                                                               "rec"
                                                                               "al"
                                                                               "l",
                                                                               "{\""
                                                                               "act"
                                                                               "ion"
                                                                               "\":"
                                                                               "\"r"
                                                                               "ead"
                                                                               "\","
                                                                               "\"f"
                                                                               "ile"
                                                                               "nam"
                                                                               "e\""
                                                                               ":\""
                                                                               "c\""
                                                                               "}") "]");
    script_push(SCRIPT_CHANNEL, REPLY("read"));
    agent_exec(h, &a, "{\"channel\":\"c1\",\"text\":\"again\"}");
    assert_string_equal(json_str(a.body, "reply", ""), "read");
    agent_answer_clear(&a);
    const char *history = script_last_history(SCRIPT_CHANNEL);
    expect_in(history, "two files\\n\\n<attachment id="); /* it knows of them */
    expect_in(history, "2 of the newest files");
    expect_in(history, "\\\"content\\\":\\\"first\\\"");
    expect_in(history, "it can be kept and named, not read");
    expect_in(history, "no file \\\"c\\\" was given");
    x_free(&one);
    x_free(&two);
}

/* A name in the text: held to the workspace, and the message is said in any case. */
static void a_named_file_is_saved_too(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a = {0};
    char *png = put(h, "ws/p.png", PNG, sizeof PNG - 1), *text = put(h, "ws/t.txt", "words", 5);
    script_push(SCRIPT_CHANNEL, REPLY("seen"));
    agent_ask(h, COMMAND_SAY, &a,
              "{\"channel\":\"c1\",\"screen\":true,\"text\":\"see @p.png and @t.txt and @none\"}");
    agent_turns(h, 60);
    assert_true(a.given);
    assert_int_equal(a.st, STATUS_OK);
    agent_answer_clear(&a);
    agent_settle(h);
    assert_int_equal(rows(h).n, 2);
    expect_in(script_last_history(SCRIPT_CHANNEL), "words");
    expect_in(agent_last_entry(h, "channel:c1", JOURNAL_USER), "[attached: t.txt, text/plain, 5");
    h->config->limits.attachment_bytes = 4;
    script_push(SCRIPT_CHANNEL, REPLY("seen"));
    agent_ask(h, COMMAND_SAY, &a, "{\"channel\":\"c1\",\"screen\":true,\"text\":\"@t.txt\"}");
    agent_turns(h, 60);
    agent_answer_clear(&a);
    agent_settle(h);
    expect_in(agent_last_entry(h, "channel:c1", JOURNAL_ERROR), "limits.attachment_bytes");
    assert_int_equal(rows(h).n, 2);
    x_free(&png);
    x_free(&text);
}

static void exec_takes_files_too(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a;
    char *path = put(h, "a.txt", "first", 5);
    char *args = xasprintf("{\"channel\":\"c1\",\"text\":\"go\",\"attach\":[\"%s\"]}", path);
    script_push(SCRIPT_CHANNEL, REPLY("seen"));
    agent_exec(h, &a, args);
    assert_string_equal(json_str(a.body, "reply", ""), "seen");
    agent_answer_clear(&a);
    assert_int_equal(rows(h).n, 1);
    /* Given up while it is being saved. */
    struct command_call *c = agent_ask(h, COMMAND_EXEC, &a, args);
    assert_non_null(c);
    command_abandon(&c);
    agent_settle(h);
    assert_int_equal(rows(h).n, 1);
    assert_false(a.given);
    x_free(&args);
    x_free(&path);
}

int main(void) {
    clock_set_virtual(INT64_C(1796000000000));
    id_seed(1);
#define T(name) cmocka_unit_test_setup_teardown(name, agent_home_setup, agent_home_teardown)
    const struct CMUnitTest tests[] = {
        T(a_file_is_there_before_the_model_reads_of_it),
        T(a_text_stands_in_the_message),
        T(what_cannot_be_saved_is_not_said),
        T(a_model_reads_them_again_after_a_restart),
        T(a_named_file_is_saved_too),
        T(exec_takes_files_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
