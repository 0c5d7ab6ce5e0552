/* cli-memory: what is known for longer than a conversation, for people and scripts. Here are the
 * subcommands and those that change something; reading is cli-memory-show.c's. */
#include "cli-memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "conf/lock.h"
#include "loop/loop.h"
#include "memory/command.h"

#define LOCK_WAIT_NS (INT64_C(5) * NS_PER_SEC)
#define REPLY_WAIT_NS (INT64_C(60) * NS_PER_SEC) /* a large import on a slow disk */

/* --- with an engine and without -----------------------------------------------------------------
 */

struct cli_memory {
    struct ctl_conn *conn; /* NULL: none runs */
    int lock;
    struct loop *loop;
    struct store *store;
    struct memories *memories;
    bool given; /* the reply to what was asked */
    enum status st;
    cJSON *body;
    struct cause why;
};

static enum status open_here(struct cli_memory *m, const struct home *h, struct cause *why) {
    enum status st = lock_take_wait(h, LOCK_WAIT_NS, &m->lock, why);
    if (st == STATUS_OK)
        st = lock_sign(m->lock, h, why);
    if (st != STATUS_OK)
        return st;
    m->loop = loop_new(LOOP_REAL);
    st = store_open(m->loop, h->db, &m->store, why);
    if (st == STATUS_OK)
        m->memories = memories_new(m->loop, m->store, NULL);
    return st;
}

int cli_memory_open(struct cli *c, struct cli_memory **out) {
    struct cause why = {""};
    struct cli_memory *m = xcalloc(1, sizeof *m);
    m->lock = -1;
    *out = m;
    int rc = cli_home(c);
    if (rc != CLI_OK)
        return rc;
    enum status st = ctl_connect(c->home, &m->conn, &why);
    if (st == STATUS_UNAVAILABLE)
        st = open_here(m, c->home, &why);
    return st == STATUS_OK ? CLI_OK : cli_fail(cli_exit_of(st), "%s", why.text);
}

static void on_reply(void *arg, enum status st, cJSON *body, const char *why) {
    struct cli_memory *m = arg;
    m->given = true;
    m->st = st;
    m->body = body;
    cause_set(&m->why, st, "%s", why);
}

static enum status ask_here(struct cli_memory *m, const cJSON *args, cJSON **body,
                            struct cause *why) {
    struct memory_command_call *call = NULL;
    int64_t until = clock_real_mono_ns() + REPLY_WAIT_NS;
    m->given = false;
    enum status st = memory_command(m->memories, args, on_reply, m, &call, why);
    if (st != STATUS_OK)
        return st;
    while (!m->given && clock_real_mono_ns() < until)
        (void)loop_turn(m->loop, 100 * NS_PER_MS);
    if (!m->given) {
        memory_command_forget(&call);
        return cause_set(why, STATUS_TIMEOUT, "the disk does not take it: %s",
                         store_state_why(m->store));
    }
    *body = m->body;
    *why = m->why;
    return m->st;
}

int cli_memory_ask(struct cli_memory *m, const cJSON *args, cJSON **body) {
    struct cause why = {""};
    *body = NULL;
    enum status st = m->conn ? ctl_request(m->conn, "memory", args, REPLY_WAIT_NS, body, &why)
                             : ask_here(m, args, body, &why);
    return st == STATUS_OK ? CLI_OK : cli_fail(cli_exit_of(st), "%s", why.text);
}

void cli_memory_close(struct cli_memory **mp) {
    struct cli_memory *m = *mp;
    struct cause why = {""};
    ctl_conn_free(&m->conn);
    memories_free(&m->memories);
    if (store_close(&m->store, &why) != STATUS_OK)
        cli_fail(CLI_FAILED, "%s", why.text);
    if (m->loop)
        loop_free(&m->loop);
    lock_release(&m->lock);
    x_free(mp);
}

/* --- what changes something ---------------------------------------------------------------------
 */

/* Text of an operand; "-": standard input. NULL: it cannot be read, and that was said. */
static char *text_of(const struct cli *c, const char *operand) {
    struct buf b = BUF_INIT;
    if (!str_eq(operand, "-"))
        return xstrdup(operand);
    if (isatty(STDIN_FILENO)) {
        cli_usage(c, "- reads standard input, which is a terminal");
        return NULL;
    }
    for (;;) {
        ssize_t n = read(STDIN_FILENO, buf_room(&b, 4096), 4096);
        if (n <= 0 || b.len > MEMORY_CONTENT_MAX)
            break;
        buf_added(&b, (size_t)n);
    }
    return b.len ? buf_steal(&b) : xstrdup("");
}

static int number_of(const struct cli *c, const char *option, cJSON *args) {
    const char *value = cli_value(c, option);
    double v;
    if (!value)
        return CLI_OK;
    if (str_to_double(value, &v) != STATUS_OK || v < 0 || v > 1)
        return cli_usage(c, "--%s %s: a number from 0 to 1 is needed", option, value);
    json_add_num(args, option, v);
    return CLI_OK;
}

static void pass(const struct cli *c, const char *option, cJSON *args) {
    if (cli_value(c, option))
        json_add_str(args, option, cli_value(c, option));
}

static int ask(struct cli *c, const cJSON *args, cJSON **body) {
    struct cli_memory *m = NULL;
    int rc = cli_memory_open(c, &m);
    if (rc == CLI_OK)
        rc = cli_memory_ask(m, args, body);
    cli_memory_close(&m);
    return rc;
}

static int add(struct cli *c) {
    char *text = text_of(c, c->operands[1]);
    cJSON *args = json_new_obj(), *body = NULL;
    json_add_str(args, "op", "add");
    json_add_str(args, "content", text);
    pass(c, "type", args);
    pass(c, "person", args);
    pass(c, "channel", args);
    pass(c, "supersedes", args);
    int rc = text ? number_of(c, "importance", args) : CLI_USAGE;
    if (rc == CLI_OK)
        rc = ask(c, args, &body);
    if (rc == CLI_OK && cli_has(c, "json"))
        cli_print_json(body);
    else if (rc == CLI_OK)
        puts(json_str(body, "id", ""));
    if (rc == CLI_OK && !cli_has(c, "json") && json_bool(body, "existed", false))
        fprintf(stderr, "%s\n",
                json_bool(body, "restored", false) ? "it had been forgotten: it is live again"
                : json_i64(body, "changed", 0)     ? "added to what was known already"
                                                   : "that was known already");
    cJSON_Delete(body);
    cJSON_Delete(args);
    free(text);
    return rc;
}

/* What is told of a change: the id, and by what it can be undone. */
static void print_change(const struct cli *c, const cJSON *body, const char *what) {
    const char *operation = json_str(body, "operation", NULL);
    if (cli_has(c, "json")) {
        cli_print_json(body);
        return;
    }
    if (!operation) {
        fputs("nothing changes by that\n", stderr);
        return;
    }
    printf("%s %s (change %.8s)\n", what, json_str(body, "id", ""), operation);
}

static int change(struct cli *c, cJSON *args, const char *what) {
    cJSON *body = NULL;
    int rc = ask(c, args, &body);
    if (rc == CLI_OK)
        print_change(c, body, what);
    cJSON_Delete(body);
    cJSON_Delete(args);
    return rc;
}

static cJSON *args_of(const char *op, const char *id) {
    cJSON *args = json_new_obj();
    json_add_str(args, "op", op);
    if (id)
        json_add_str(args, "memory_id", id);
    return args;
}

static int edit(struct cli *c) {
    cJSON *args = args_of("edit", c->operands[1]);
    char *text = c->n > 2 ? text_of(c, c->operands[2]) : NULL;
    int rc = c->n > 2 && !text ? CLI_USAGE : number_of(c, "importance", args);
    if (text)
        json_add_str(args, "content", text);
    pass(c, "type", args);
    pass(c, "person", args);
    pass(c, "reason", args);
    free(text);
    if (rc == CLI_OK)
        return change(c, args, "edited");
    cJSON_Delete(args);
    return rc;
}

static int forget(struct cli *c) {
    cJSON *args = args_of("forget", c->operands[1]);
    pass(c, "reason", args);
    if (cli_value(c, "superseded-by"))
        json_add_str(args, "superseded_by", cli_value(c, "superseded-by"));
    return change(c, args, "forgotten");
}

static int restore(struct cli *c) {
    return change(c, args_of("restore", c->operands[1]), "restored");
}

static int link_two(struct cli *c) {
    cJSON *args = args_of("link", NULL);
    json_add_str(args, "source", c->operands[1]);
    json_add_str(args, "target", c->operands[2]);
    json_add_bool(args, "cut", cli_has(c, "cut"));
    pass(c, "relation", args);
    int rc = number_of(c, "weight", args);
    if (rc == CLI_OK)
        return change(c, args, cli_has(c, "cut") ? "cut off" : "linked");
    cJSON_Delete(args);
    return rc;
}

static int undo(struct cli *c) {
    cJSON *args = args_of("undo", c->n > 1 ? c->operands[1] : NULL);
    if (cli_value(c, "change"))
        json_add_str(args, "operation", cli_value(c, "change"));
    json_add_bool(args, "force", cli_has(c, "force"));
    return change(c, args, "undone");
}

/* --- the subcommands ----------------------------------------------------------------------------
 */

/* X("name", operands least, most, function) */
#define SUBCOMMANDS(X)                                                                             \
    X("add", 1, 1, add)                                                                            \
    X("recall", 1, 1, cli_memory_recall)                                                           \
    X("list", 0, 0, cli_memory_list)                                                               \
    X("show", 1, 1, cli_memory_show)                                                               \
    X("edit", 1, 2, edit)                                                                          \
    X("forget", 1, 1, forget)                                                                      \
    X("restore", 1, 1, restore)                                                                    \
    X("link", 2, 2, link_two)                                                                      \
    X("history", 0, 1, cli_memory_history)                                                         \
    X("undo", 0, 1, undo)                                                                          \
    X("stats", 0, 0, cli_memory_stats)                                                             \
    X("export", 0, 1, cli_memory_export)                                                           \
    X("import", 1, 1, cli_memory_import)

static int run(struct cli *c) {
    static const struct {
        const char *name;
        int least, most;
        int (*run)(struct cli *c);
    } subs[] = {
#define X(name, least, most, fn) {name, least, most, fn},
        SUBCOMMANDS(X)
#undef X
    };
    const char *names[ARRAY_LEN(subs)];
    for (size_t i = 0; i < ARRAY_LEN(subs); i++) {
        names[i] = subs[i].name;
        if (!str_eq(subs[i].name, c->operands[0]))
            continue;
        if (c->n - 1 < subs[i].least || c->n - 1 > subs[i].most)
            return cli_usage(c, "%s: %s (a text with blanks needs quotes)", subs[i].name,
                             c->n - 1 < subs[i].least ? "something is missing" : "too much");
        return subs[i].run(c);
    }
    const char *near = str_nearest(c->operands[0], names, ARRAY_LEN(names));
    return near ? cli_usage(c, "there is no \"%s\"; did you mean `%s`?", c->operands[0], near)
                : cli_usage(c, "there is no \"%s\"", c->operands[0]);
}

static const struct cli_option options[] = {
    {"type", "TYPE", "identity goal human decision todo preference fact event observation"},
    {"importance", "N", "from 0 to 1; add and edit"},
    {"person", "NAME", "whom it is about"},
    {"channel", "ID", "the conversation it comes from"},
    {"supersedes", "ID", "add: whose place it takes"},
    {"superseded-by", "ID", "forget: what takes its place"},
    {"reason", "TEXT", "edit, forget: why; it is in the history"},
    {"relation", "NAME", "link: related_to updates contradicts caused_by result_of part_of"},
    {"weight", "N", "link: from 0 to 1; 0.5 when left out"},
    {"cut", NULL, "link: take the edge away"},
    {"change", "ID", "undo: that change, as history shows it"},
    {"force", NULL, "undo: also what was changed again since"},
    {"forgotten", NULL, "list: those that are forgotten"},
    {"limit", "N", "recall, list, history: how many"},
    {"mode", "MODE", "recall: hybrid recent important typed"},
    {"since", "TIME", "recall: only what is newer"},
    {"json", NULL, "one JSON object a line"},
    {NULL, NULL, NULL}};
const struct cli_verb cli_verb_memory = {
    .name = "memory",
    .operands = "add|recall|list|show|edit|forget|restore|link|history|undo|stats|export|import …",
    .summary = "what is known for longer than a conversation",
    .details =
        "add TEXT|-            remember something; prints its id\n"
        "recall QUERY          what is known about it, best first\n"
        "list                  the newest first\n"
        "show ID               one, with its edges\n"
        "edit ID [TEXT|-]      other words, type, importance or person\n"
        "forget ID             it is not recalled any more; restore brings it back\n"
        "restore ID\n"
        "link ID ID            an edge from one to another, or another weight of it\n"
        "history [ID]          what was changed, by whom and when\n"
        "undo [ID]             takes the newest change back (of that one); --change says which\n"
        "stats                 how many there are\n"
        "export [FILE]         all of it as JSON lines, the forgotten too, without history\n"
        "import FILE|DIR|-     such lines, the JSONL file of the reference MCP memory server,\n"
        "                      or Markdown files; again: only what is new\n"
        "An ID may be its first four or more characters.",
    .least = 1,
    .most = 3,
    .options = options,
    .run = run};
