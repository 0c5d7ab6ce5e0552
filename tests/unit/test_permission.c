/* permission: what is written as a rule, what it matches, and which of several decides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/permission.h"
#include "base/mem.h"
#include "base/str.h"

/* --- globs --------------------------------------------------------------------------------------
 */

struct glob_case {
    const char *glob, *text;
    bool fits;
};

static const struct glob_case globs[] = {
    {"", "", true},
    {"", "a", false},
    {"*", "", true},
    {"*", "anything at all/even this", true},
    {"git push", "git push", true},
    {"git push", "git push ", false},
    {"git push", "git pus", false},
    {"git push*", "git push", true},
    {"git push*", "git push --tags", true},
    {"git push *", "git push", false},
    {"git push *", "git push --tags", true},
    {"git push*", "echo git push", false},
    {"*.c", "src/a.c", true},
    {"*.c", "src/a.cc", false},
    {"/etc/*", "/etc/ssl/private/key", true},
    {"/etc/*", "/etc", false},
    {"/etc/*", "/etcetera", false},
    {"a?c", "abc", true},
    {"a?c", "ac", false},
    {"a?c", "abbc", false},
    {"?", "é", true},
    {"??", "é", false},
    {"a\\*c", "a*c", true},
    {"a\\*c", "abc", false},
    {"a\\?c", "a?c", true},
    {"a\\?c", "abc", false},
    {"a\\\\c", "a\\c", true},
    {"\\a", "a", true},
    {"*a*b*c", "xxaxxbxxc", true},
    {"*a*b*c", "xxaxxcxxb", false},
    {"*ab", "aab", true},
    {"*abab", "abaabab", true},
    {"**", "x", true},
    {"*?", "", false},
    {"Make", "make", false},
};

static void globs_match_what_they_say(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(globs); i++)
        if (permission_glob(globs[i].glob, globs[i].text) != globs[i].fits)
            fail_msg("\"%s\" and \"%s\" should %sfit", globs[i].glob, globs[i].text,
                     globs[i].fits ? "" : "not ");
}

static void a_hostile_glob_is_decided_soon(void **state) {
    (void)state;
    char text[4001], glob[401];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (size_t i = 0; i + 1 < sizeof glob; i += 2)
        memcpy(glob + i, "a*", 2);
    glob[sizeof glob - 1] = '\0';
    assert_true(permission_glob(glob, text));
    glob[sizeof glob - 2] = 'b';
    assert_false(permission_glob(glob, text)); /* one that tries every way does not come back */
}

static void what_is_more_than_one_simple_command(void **state) {
    (void)state;
    static const char *const simple[] = {"ls", "git push --tags",       "echo 'a b' \"c\"", "a\tb",
                                         "",   "ls *.c ~ {a,b} [x] # !"};
    for (size_t i = 0; i < ARRAY_LEN(simple); i++)
        assert_true(permission_simple_command(simple[i]));
    for (const char *c = ";&|<>$()`\n"; *c; c++) {
        char *text = xasprintf("git push %c x", *c);
        assert_false(permission_simple_command(text));
        x_free(&text);
        text = xasprintf("%cgit push", *c);
        assert_false(permission_simple_command(text));
        x_free(&text);
        text = xasprintf("git push%c", *c);
        assert_false(permission_simple_command(text));
        x_free(&text);
    }
}

/* --- patterns -----------------------------------------------------------------------------------
 */

static void patterns_are_a_tool_and_perhaps_a_glob(void **state) {
    (void)state;
    char *tool, *match;
    struct cause why;
    assert_int_equal(permission_parse("shell", &tool, &match, &why), STATUS_OK);
    assert_string_equal(tool, "shell");
    assert_null(match);
    x_free(&tool);
    assert_int_equal(permission_parse("file_read:/a:b/*", &tool, &match, &why), STATUS_OK);
    assert_string_equal(tool, "file_read");
    assert_string_equal(match, "/a:b/*");
    char *again = permission_pattern(tool, match);
    assert_string_equal(again, "file_read:/a:b/*");
    x_free(&again);
    x_free(&tool);
    x_free(&match);
    static const char *const bad[] = {"",        ":*",        "Shell",  "shell ",
                                      " shell",  "shell:",    "shell*", "sh ell:x",
                                      "shell;x", "shell:x\\", "*",      "shell:\\"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (permission_parse(bad[i], &tool, &match, &why) != STATUS_INVALID)
            fail_msg("\"%s\" passes for a pattern", bad[i]);
        assert_null(tool);
        assert_null(match);
        assert_true(why.text[0]);
    }
}

/* --- deciding -----------------------------------------------------------------------------------
 */

static void add(struct permission_rules *r, enum permission_action a, const char *pattern) {
    char *tool, *match;
    struct cause why;
    if (permission_parse(pattern, &tool, &match, &why) != STATUS_OK)
        fail_msg("%s", why.text);
    permission_add(r, a, tool, match, pattern, 0);
    x_free(&tool);
    x_free(&match);
}

static struct permission_call command(const char *text) {
    return (struct permission_call){
        .tool = "shell", .forms = {text, NULL}, .command = true, .bare = true};
}

static enum permission_action decide(const struct permission_rules *rules,
                                     const struct permission_rules *answers,
                                     const struct permission_call *c) {
    const struct permission_rule *by;
    return permission_decide(rules, answers, c, &by);
}

static void deny_beats_ask_beats_allow(void **state) {
    (void)state;
    struct permission_rules rules = {0}, none = {0};
    struct permission_call push = command("git push --tags"), pull = command("git pull"),
                           list = command("ls");
    const struct permission_rule *by;
    assert_int_equal(permission_decide(&rules, &none, &push, &by), PERMISSION_ALLOW);
    assert_null(by);
    add(&rules, PERMISSION_DENY, "shell:git push*");
    add(&rules, PERMISSION_ASK, "shell:git *");
    add(&rules, PERMISSION_ALLOW, "shell");
    assert_int_equal(permission_decide(&rules, &none, &push, &by), PERMISSION_DENY);
    assert_string_equal(by->match, "git push*");
    assert_int_equal(decide(&rules, &none, &pull), PERMISSION_ASK);
    assert_int_equal(decide(&rules, &none, &list), PERMISSION_ALLOW);
    permission_free(&rules);
    /* In any other order too. */
    add(&rules, PERMISSION_ALLOW, "shell");
    add(&rules, PERMISSION_ASK, "shell:git *");
    add(&rules, PERMISSION_DENY, "shell:git push*");
    assert_int_equal(decide(&rules, &none, &push), PERMISSION_DENY);
    assert_int_equal(decide(&rules, &none, &pull), PERMISSION_ASK);
    permission_free(&rules);
}

static void a_glob_holds_for_one_simple_command_only(void **state) {
    (void)state;
    struct permission_rules rules = {0}, none = {0};
    add(&rules, PERMISSION_ALLOW, "shell:git push*");
    for (const char *c = ";&|<>$()`\n"; *c; c++) {
        char *text = xasprintf("git push%crm -r x", *c);
        struct permission_call call = command(text);
        call.usual = PERMISSION_ASK;
        assert_int_equal(decide(&rules, &none, &call), PERMISSION_ASK);
        x_free(&text);
    }
    struct permission_call call = command("git push; ls");
    call.usual = PERMISSION_ASK;
    permission_free(&rules);
    add(&rules, PERMISSION_ALLOW, "shell:*");
    assert_int_equal(decide(&rules, &none, &call), PERMISSION_ASK);
    add(&rules, PERMISSION_ALLOW, "shell"); /* without a glob it is any command */
    assert_int_equal(decide(&rules, &none, &call), PERMISSION_ALLOW);
    permission_free(&rules);
}

static void what_allows_a_tool_does_not_allow_to_leave_the_sandbox(void **state) {
    (void)state;
    struct permission_rules rules = {0}, none = {0};
    struct permission_call out = command("git push --tags");
    out.escape = "unsandboxed";
    out.usual = PERMISSION_ASK;
    add(&rules, PERMISSION_ALLOW, "shell");
    add(&rules, PERMISSION_ALLOW, "shell:git push*");
    assert_int_equal(decide(&rules, &none, &out), PERMISSION_ASK);
    add(&rules, PERMISSION_ALLOW, "unsandboxed:git push*");
    assert_int_equal(decide(&rules, &none, &out), PERMISSION_ALLOW);
    out.bare = false; /* an environment of its own */
    assert_int_equal(decide(&rules, &none, &out), PERMISSION_ASK);
    out.bare = true;
    add(&rules, PERMISSION_DENY, "shell:git push*"); /* what forbids the tool forbids that too */
    assert_int_equal(decide(&rules, &none, &out), PERMISSION_DENY);
    struct permission_call in = command("make");
    permission_free(&rules);
    add(&rules, PERMISSION_DENY, "unsandboxed");
    assert_int_equal(decide(&rules, &none, &in), PERMISSION_ALLOW);
    assert_int_equal(decide(&rules, &none, &out), PERMISSION_DENY);
    permission_free(&rules);
}

static void an_answer_counts_only_where_somebody_would_be_asked(void **state) {
    (void)state;
    struct permission_rules rules = {0}, answers = {0};
    struct permission_call push = command("git push --tags"), list = command("ls");
    add(&rules, PERMISSION_ASK, "shell:git push*");
    add(&answers, PERMISSION_ALLOW, "shell:git push *");
    add(&answers, PERMISSION_DENY, "shell:ls"); /* nobody asks about ls */
    assert_int_equal(decide(&rules, &answers, &push), PERMISSION_ALLOW);
    assert_int_equal(decide(&rules, &answers, &list), PERMISSION_ALLOW);
    add(&answers, PERMISSION_DENY, "shell:git push --tags");
    assert_int_equal(decide(&rules, &answers, &push), PERMISSION_DENY);
    add(&rules, PERMISSION_DENY, "shell:git push*");
    permission_free(&answers);
    add(&answers, PERMISSION_ALLOW, "shell");
    assert_int_equal(decide(&rules, &answers, &push), PERMISSION_DENY);
    permission_free(&rules);
    permission_free(&answers);
}

static void paths_match_by_either_form(void **state) {
    (void)state;
    struct permission_rules rules = {0}, none = {0};
    struct permission_call inside = {
        .tool = "file_write", .forms = {"/ws/src/a.c", "src/a.c"}, .bare = true};
    struct permission_call outside = {.tool = "file_write",
                                      .forms = {"/etc/src/a.c", NULL},
                                      .bare = true,
                                      .usual = PERMISSION_ASK};
    add(&rules, PERMISSION_DENY, "file_write:src/*");
    assert_int_equal(decide(&rules, &none, &inside), PERMISSION_DENY);
    assert_int_equal(decide(&rules, &none, &outside), PERMISSION_ASK);
    permission_free(&rules);
    add(&rules, PERMISSION_ALLOW, "file_write:/etc/*");
    assert_int_equal(decide(&rules, &none, &outside), PERMISSION_ALLOW);
    outside.tool = "file_read";
    assert_int_equal(decide(&rules, &none, &outside), PERMISSION_ASK);
    permission_free(&rules);
}

/* --- properties ---------------------------------------------------------------------------------
 */

static uint64_t rng = 88172645463325252u;
static unsigned pick(unsigned n) {
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return (unsigned)((rng >> 11) % n);
}

static const char *const some_tools[] = {"shell", "unsandboxed", "file_read", "file_write"};
static const char *const some_globs[] = {NULL,    "*",   "git *", "git push*", "/etc/*",
                                         "src/*", "*.c", "a?c",   "make",      "*push*",
                                         "\\*",   "*;*", "ls -l", "**c"};
static const char *const some_texts[] = {"git push --tags", "make", "git push; make", "/etc/passwd",
                                         "src/a.c",         "abc",  "ls -l",          ""};

static void add_any(struct permission_rules *r, enum permission_action a) {
    permission_add(r, a, some_tools[pick(ARRAY_LEN(some_tools))],
                   some_globs[pick(ARRAY_LEN(some_globs))], "somewhere", 0);
}

static struct permission_call any_call(void) {
    const char *tool = some_tools[pick(ARRAY_LEN(some_tools))];
    bool unsandboxed = str_eq(tool, "unsandboxed"), shell = unsandboxed || str_eq(tool, "shell");
    return (struct permission_call){
        .tool = shell ? "shell" : tool,
        .escape = unsandboxed ? "unsandboxed" : NULL,
        .forms = {some_texts[pick(ARRAY_LEN(some_texts))], shell ? NULL : some_texts[pick(2)]},
        .command = shell,
        .bare = pick(4) != 0,
        .usual = (enum permission_action)pick(3)};
}

/* Whatever the rules: one more that denies or asks never opens what was shut, one more that allows
 * never shuts what the others left open, and their order means nothing. */
static void more_deny_never_widens(void **state) {
    (void)state;
    for (int round = 0; round < 20000; round++) {
        struct permission_rules rules = {0}, answers = {0};
        for (unsigned n = pick(6); n > 0; n--)
            add_any(&rules, (enum permission_action)pick(3));
        for (unsigned n = pick(4); n > 0; n--)
            add_any(&answers, pick(2) ? PERMISSION_ALLOW : PERMISSION_DENY);
        struct permission_call c = any_call();
        enum permission_action before = decide(&rules, &answers, &c);

        struct permission_rules reversed = {0};
        for (size_t i = rules.n; i > 0; i--)
            permission_add(&reversed, rules.v[i - 1].action, rules.v[i - 1].tool,
                           rules.v[i - 1].match, NULL, 0);
        assert_int_equal(decide(&reversed, &answers, &c), before);
        permission_free(&reversed);

        bool to_answers = pick(2);
        struct permission_rules *grown = to_answers ? &answers : &rules;
        add_any(grown, PERMISSION_DENY);
        enum permission_action after = decide(&rules, &answers, &c);
        assert_true(after >= before);
        permission_remove(grown, grown->n - 1);
        assert_int_equal(decide(&rules, &answers, &c), before);

        struct permission_rules no_answers = {0};
        before = decide(&rules, &no_answers, &c);
        add_any(&rules, PERMISSION_ASK);
        after = decide(&rules, &no_answers, &c);
        /* An ask rule takes the place of what is usual, but a rule that denies stays. */
        assert_true(after >= before || (before == PERMISSION_DENY && c.usual == PERMISSION_DENY));
        permission_free(&rules);
        permission_free(&answers);
    }
}

/* --- always -------------------------------------------------------------------------------------
 */

static void suggest(const char *text, const char *wanted) {
    struct permission_call c = command(text);
    char *glob = permission_suggest(&c);
    if (!str_eq(glob, wanted))
        fail_msg("\"%s\" suggests \"%s\", not \"%s\"", text, glob ? glob : "(nothing)",
                 wanted ? wanted : "(nothing)");
    if (glob)
        assert_true(permission_glob(glob, text));
    x_free(&glob);
}

static void always_remembers_what_was_meant(void **state) {
    (void)state;
    suggest("git push --tags", "git push *");
    suggest("git push", "git push");
    suggest("rm -r build", "rm -r build");
    suggest("ls", "ls");
    suggest("ls *.c", "ls \\*.c");
    suggest("./configure --prefix=/x", "./configure --prefix=/x");
    suggest("make check TESTS=x", "make check *");
    suggest("git push; ls", NULL);
    suggest("git push | tee x", NULL);
    suggest("", NULL);
    struct permission_call c = command("git push --tags");
    c.bare = false;
    assert_null(permission_suggest(&c));
    struct permission_call path = {.tool = "file_read", .forms = {"/etc/a*b", NULL}, .bare = true};
    char *glob = permission_suggest(&path);
    assert_string_equal(glob, "/etc/a\\*b");
    x_free(&glob);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(globs_match_what_they_say),
        cmocka_unit_test(a_hostile_glob_is_decided_soon),
        cmocka_unit_test(what_is_more_than_one_simple_command),
        cmocka_unit_test(patterns_are_a_tool_and_perhaps_a_glob),
        cmocka_unit_test(deny_beats_ask_beats_allow),
        cmocka_unit_test(a_glob_holds_for_one_simple_command_only),
        cmocka_unit_test(what_allows_a_tool_does_not_allow_to_leave_the_sandbox),
        cmocka_unit_test(an_answer_counts_only_where_somebody_would_be_asked),
        cmocka_unit_test(paths_match_by_either_form),
        cmocka_unit_test(more_deny_never_widens),
        cmocka_unit_test(always_remembers_what_was_meant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
