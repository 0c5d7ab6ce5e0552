/* What looks like a program that waits for an answer, and what only looks unfinished. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "tools/shell_prompt.h"

static void questions_are_known(void **state) {
    static const char *const lines[] = {
        "Password: ",
        "Password for 'https://me@example.org': ",
        "Enter passphrase for key '/k': ",
        "Overwrite? ",
        "Continue? [y/N] ",
        "Proceed ([y]/n)? ",
        "Do it (y/n): ",
        "Are you sure (yes/no)? ",
        ">>> ",
        "mysql> ",
        "sh-5.2# ",
        "$ ",
        "(gdb) ",
        "Press Enter to go on",
        "[sudo] password for me: ",
        "Enter a number 1-9: ",
        "Please select a colour : ",
        "me@host's password:",
        "\033[32m?\033[0m \033[1mOverwrite the file?\033[0m \033[2m(y/N)\033[0m "};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        if (!shell_prompt_like(lines[i], strlen(lines[i]), true))
            fail_msg("\"%s\" waits for an answer", lines[i]);
}

/* To end one of these would be to end work. */
static void work_is_left_alone(void **state) {
    static const char *const lines[] = {"",
                                        "please :",
                                        "please:",
                                        "   ",
                                        "checking for gcc... ",
                                        "checking whether cc works? ",
                                        "Linking: ",
                                        "tests: ",
                                        "test the login: ",
                                        "mapping: ",
                                        "Processing input: ",
                                        "Selecting previously unselected: ",
                                        "Entering directory: ",
                                        "42%",
                                        "[=====>    ]",
                                        "##########",
                                        "<p>",
                                        "a</p>",
                                        "\r[##   ] password: ",
                                        "building a.",
                                        "a -> b",
                                        "total",
                                        "compiling x> ",
                                        "...........",
                                        "(1/12) "};
    char many[SHELL_PROMPT_MAX + 2];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        if (shell_prompt_like(lines[i], strlen(lines[i]), true))
            fail_msg("\"%s\" does not wait for an answer", lines[i]);
    memset(many, '?', sizeof many);
    assert_false(shell_prompt_like(many, SHELL_PROMPT_MAX + 1, true));
    assert_true(shell_prompt_like(many, SHELL_PROMPT_MAX, true));
}

/* Much that ends in a question mark or a colon is told, not asked. */
static void a_line_that_has_ended_is_believed_less(void **state) {
    static const char *const asked[] = {"Continue? [y/N]", "Really (yes/no)?", "Press any key"};
    static const char *const told[] = {"Did you mean foo?", "Password:", "mysql>", "$", ">>>"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(asked); i++)
        if (!shell_prompt_like(asked[i], strlen(asked[i]), false))
            fail_msg("\"%s\" waits for an answer", asked[i]);
    for (size_t i = 0; i < ARRAY_LEN(told); i++)
        if (shell_prompt_like(told[i], strlen(told[i]), false))
            fail_msg("\"%s\" has ended", told[i]);
}

static void input_of_its_own_is_seen(void **state) {
    (void)state;
    assert_true(shell_prompt_fed("yes | ./install"));
    assert_true(shell_prompt_fed("./install <<E\ny\nE"));
    assert_true(shell_prompt_fed("a || b | c"));
    assert_false(shell_prompt_fed("a || ./install"));
    assert_false(shell_prompt_fed("./install -y"));
    assert_false(shell_prompt_fed(""));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(questions_are_known),
        cmocka_unit_test(work_is_left_alone),
        cmocka_unit_test(a_line_that_has_ended_is_believed_less),
        cmocka_unit_test(input_of_its_own_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
