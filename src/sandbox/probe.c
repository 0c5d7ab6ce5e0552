/* probe: finding out at start what works here, by running the exact argument lists that commands
 * will get, with `true`. A lesser question (can this user unshare?) has a lesser answer: a masked
 * /proc or a security module lets it pass and then refuses the real thing. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "sandbox/policy.h"

#define PROBE_NS (10 * NS_PER_SEC)

struct probe {
    struct sandbox *sb;
    size_t next; /* candidate */
    char *dir;   /* a workspace for it, in the spacebot home as the default one is */
    struct child *child;
    struct loop_timer *timer; /* of the first try, or of the one that runs */
    bool begun;
    char *complaint; /* the first line of stderr */
};

/* From the strongest down; each enum value that needs trying appears. */
static const struct candidate {
    enum sandbox_mode mode;
    bool disable_userns; /* bubblewrap 0.8 has it; older ones do not */
} candidates[] = {{SANDBOX_BUBBLEWRAP_LANDLOCK, true},
                  {SANDBOX_BUBBLEWRAP_LANDLOCK, false},
                  {SANDBOX_BUBBLEWRAP, true},
                  {SANDBOX_BUBBLEWRAP, false},
                  {SANDBOX_LANDLOCK, false}};

static bool needs_bubblewrap(enum sandbox_mode mode) {
    return mode == SANDBOX_BUBBLEWRAP || mode == SANDBOX_BUBBLEWRAP_LANDLOCK;
}

static bool needs_landlock(enum sandbox_mode mode) {
    return mode == SANDBOX_LANDLOCK || mode == SANDBOX_BUBBLEWRAP_LANDLOCK;
}

void probe_free(struct probe **pp) {
    struct probe *p = *pp;
    *pp = NULL;
    if (!p)
        return;
    child_drop(&p->child);
    loop_timer_del(&p->timer);
    if (p->dir) {
        char *tmp = xasprintf("%s/.tmp", p->dir);
        rmdir(tmp);
        rmdir(p->dir);
        x_free(&tmp);
    }
    x_free(&p->dir);
    x_free(&p->complaint);
    x_free(&p);
}

static void add_reason(struct sandbox *sb, const char *text) {
    if (strstr(buf_str(&sb->reason), text))
        return; /* the same answer to a variation */
    if (sb->reason.len)
        buf_puts(&sb->reason, "; ");
    utf8_append_visible(&sb->reason, text, strlen(text));
}

static void probe_done(struct sandbox *sb, enum sandbox_mode mode, bool disable_userns) {
    sb->mode = mode;
    sb->disable_userns = disable_userns;
    sb->ready = true;
    probe_free(&sb->probe);
    if (mode == SANDBOX_BUBBLEWRAP_LANDLOCK)
        buf_reset(&sb->reason); /* an option that this bubblewrap lacks is no news */
    sb->on_ready(sb->arg);
    while (!list_empty(&sb->waits)) {
        struct sandbox_wait *w = list_entry(sb->waits.next, struct sandbox_wait, link);
        loop_fn *fn = w->fn;
        void *arg = w->arg;
        sandbox_wait_cancel(&w);
        fn(arg);
    }
}

static void try_next(struct probe *p);

static void on_line(void *arg, int stream, const char *line, size_t n, bool partial) {
    struct probe *p = arg;
    (void)partial;
    if (stream == 2 && !p->complaint && n > 0)
        p->complaint = xstrndup(line, n < 300 ? n : 300);
}

/* The candidate that was tried last did not work. */
static void give_next(struct probe *p, const char *reason) {
    add_reason(p->sb, reason);
    x_free(&p->complaint);
    loop_timer_del(&p->timer);
    try_next(p);
}

static void on_exit_of_true(void *arg, struct child_exit how) {
    struct probe *p = arg;
    p->child = NULL;
    const struct candidate *c = &candidates[p->next - 1];
    if (!how.signalled && how.code == 0) {
        probe_done(p->sb, c->mode, c->disable_userns);
        return;
    }
    char *text = xasprintf("%s does not work here (%s)", sandbox_mode_name(c->mode),
                           p->complaint ? p->complaint : "no message");
    give_next(p, text);
    x_free(&text);
}

static void on_timeout(void *arg) {
    struct probe *p = arg;
    p->timer = NULL;
    child_drop(&p->child);
    char *text = xasprintf("%s did not answer", sandbox_mode_name(candidates[p->next - 1].mode));
    give_next(p, text);
    x_free(&text);
}

static enum status spawn_true(struct probe *p, const struct candidate *c, struct cause *why) {
    struct sandbox *sb = p->sb;
    sb->disable_userns = c->disable_userns;
    const struct sandbox_request r = {.workspace = p->dir, .command = "true"};
    struct sandbox_command command = {0};
    enum status s = command_build(sb, c->mode, &r, &command, why);
    if (s == STATUS_OK) {
        struct child_spec spec = {
            .name = "sandbox probe", .on_line = on_line, .on_exit = on_exit_of_true, .arg = p};
        sandbox_command_spec(&command, &spec);
        s = child_spawn(sb->loop, &spec, &p->child, why);
    }
    sandbox_command_free(&command);
    return s;
}

static void try_next(struct probe *p) {
    struct sandbox *sb = p->sb;
    while (p->next < ARRAY_LEN(candidates)) {
        const struct candidate *c = &candidates[p->next++];
        struct cause why;
        if (c->mode < sb->strongest) {
            add_reason(sb, "stronger containment was not asked for");
        } else if (needs_bubblewrap(c->mode) && !sb->bubblewrap) {
            add_reason(sb, "bubblewrap is not installed");
        } else if (needs_landlock(c->mode) && landlock_abi() < 1) {
            add_reason(sb, "this kernel has no Landlock");
        } else if (spawn_true(p, c, &why) != STATUS_OK) {
            add_reason(sb, why.text);
        } else {
            /* A virtual clock may jump: there the exit alone decides. */
            if (loop_mode(sb->loop) == LOOP_REAL)
                p->timer = loop_timer(sb->loop, PROBE_NS, on_timeout, p, "sandbox probe");
            return;
        }
    }
    probe_done(sb, SANDBOX_NONE, false);
}

static void first_try(void *arg) {
    struct probe *p = arg;
    p->timer = NULL;
    p->begun = true;
    sandbox_look_at_host(p->sb);
    try_next(p);
}

void probe_hurry(struct probe *p) {
    if (p->begun)
        return;
    loop_timer_del(&p->timer);
    p->timer = loop_timer(p->sb->loop, 0, first_try, p, "sandbox probe");
}

void probe_start(struct sandbox *sb, int after_ms) {
    struct probe *p = xcalloc(1, sizeof *p);
    p->sb = sb;
    sb->probe = p;
    p->dir = xasprintf("%s/.probe-XXXXXX", sb->spacebot_home);
    if (!mkdtemp(p->dir)) {
        add_reason(sb, "cannot make a directory in the spacebot home to try containment in");
        x_free(&p->dir);
        p->next = ARRAY_LEN(candidates);
    }
    /* Not from here: the caller has not got its sandbox yet. */
    p->timer = loop_timer(sb->loop, after_ms * NS_PER_MS, first_try, p, "sandbox probe");
}
