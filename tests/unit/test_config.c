/* config: what spacebot.conf may say, and how it is told where it is wrong. */
#include "conf/config.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/provider.h"
#include "conf/config_keys.h"

extern char **environ;

static char dir[64];
static char path[96];

static int setup(void **state) {
    (void)state;
    strcpy(dir, "/tmp/test_config.XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/spacebot.conf", dir);
    for (size_t i = 0; i < provider_ninfos; i++) {
        unsetenv(provider_infos[i].key_var);
        unsetenv(provider_infos[i].url_var);
    }
    return 0;
}

static int teardown(void **state) {
    (void)state;
    unlink(path);
    rmdir(dir);
    return 0;
}

static void put(const char *text) {
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static struct config *load(const char *text) {
    put(text);
    struct config *c = NULL;
    struct cause why = {""};
    enum status st = config_load(path, &c, &why);
    if (st != STATUS_OK)
        fail_msg("%s", why.text);
    return c;
}

/* `expect` is what stands behind "FILE:". */
static void refused(const char *text, const char *expect) {
    put(text);
    struct config *c = NULL;
    struct cause why = {""};
    assert_int_equal(config_load(path, &c, &why), STATUS_CONFIG);
    assert_null(c);
    size_t n = strlen(path);
    assert_memory_equal(why.text, path, n);
    assert_string_equal(why.text + n + 1, expect);
}

static void test_missing_file_is_defaults(void **state) {
    (void)state;
    struct config *c = NULL;
    struct cause why;
    assert_int_equal(config_load(path, &c, &why), STATUS_OK);
    assert_false(c->exists);
    assert_string_equal(c->routing.channel, "anthropic/claude-sonnet-5-5");
    assert_int_equal(c->limits.workers, 16);
    assert_true(c->sandbox.required);
    assert_int_equal(c->sandbox.passthrough_env.n, 0);
    assert_int_equal(c->nproviders, 0);
    config_free(&c);
    assert_null(c);
}

static void test_every_type(void **state) {
    (void)state;
    struct config *c = load("# a comment\n"
                            "routing = { channel = \"local/big\"; };\n"
                            "limits = { workers = 3; linger_secs = 0; };\n"
                            "sandbox = { required = false;\n"
                            "  writable_paths = [ \"/srv/a\", \"/srv/b\" ];\n"
                            "  passthrough_env = ( \"LANG\" ); };\n");
    assert_true(c->exists);
    assert_string_equal(c->routing.channel, "local/big");
    assert_string_equal(c->routing.worker, "anthropic/claude-haiku-5-5");
    assert_int_equal(c->limits.workers, 3);
    assert_int_equal(c->limits.linger_secs, 0);
    assert_false(c->sandbox.required);
    assert_int_equal(c->sandbox.writable_paths.n, 2);
    assert_string_equal(c->sandbox.writable_paths.v[1], "/srv/b");
    assert_string_equal(c->sandbox.passthrough_env.v[0], "LANG");
    config_free(&c);
}

static void test_unknown_names(void **state) {
    (void)state;
    refused("\nlimits = {\n  wokers = 3;\n};\n",
            "3: unknown key `limits.wokers`; did you mean `workers`?");
    refused("limit = { };\n", "1: unknown section `limit`; did you mean `limits`?");
    refused("shell_secs = 3;\n", "1: unknown section `shell_secs`; did you mean "
                                 "`limits.shell_secs`?");
    refused("sandbox = { qqqqqqqqqqqq = 1; };\n",
            "1: unknown key `sandbox.qqqqqqqqqqqq`; known here: required, writable_paths, "
            "passthrough_env");
    refused("providers = ( { id = \"x\";\n bas_url = \"http://a\"; } );\n",
            "2: unknown key `providers: bas_url`; did you mean `base_url`?");
}

static void test_wrong_types_and_ranges(void **state) {
    (void)state;
    refused("limits = { workers = \"3\"; };\n", "1: `limits.workers` must be a whole number");
    refused("limits = { workers = 1.5; };\n", "1: `limits.workers` must be a whole number");
    refused("limits = { workers = 0; };\n", "1: `limits.workers` must be from 1 to 10000, not 0");
    refused("limits = { workers = 9999999999999L; };\n",
            "1: `limits.workers` must be from 1 to 10000, not 9999999999999");
    refused("sandbox = { required = 1; };\n", "1: `sandbox.required` must be true or false");
    refused("routing = { channel = 3; };\n", "1: `routing.channel` must be a string");
    refused("routing = { channel = \"\"; };\n", "1: `routing.channel` is empty");
    refused("routing = { channel = \"a\\nb\"; };\n",
            "1: `routing.channel` may not hold control characters");
    refused("routing = 3;\n", "1: `routing` must be a group: routing = { … };");
    refused("sandbox = { writable_paths = \"/a\"; };\n",
            "1: `sandbox.writable_paths` must be a list of strings: [ \"…\", \"…\" ]");
    refused("sandbox = { writable_paths = [ \"a\" ]; };\n",
            "1: `sandbox.writable_paths`: \"a\" is not an absolute path");
    refused("sandbox = { passthrough_env = [ \"A=b\" ]; };\n",
            "1: `sandbox.passthrough_env`: \"A=b\" is not the name of a variable");
}

static void test_syntax_and_includes(void **state) {
    (void)state;
    refused("limits = {\n  workers 3;\n};\n", "2: syntax error");
    refused("limits = { workers = 3; };\n  @include \"/etc/passwd\"\n",
            "2: @include is not supported");
    refused("limits = { workers = 3; };\nlimits = { workers = 4; };\n",
            "2: duplicate setting name");
}

static void test_providers(void **state) {
    (void)state;
    struct config *c = load("providers = ( { id = \"local\"; api = \"anthropic\";\n"
                            "  base_url = \"http://127.0.0.1:1\"; api_key = \"k1\"; },\n"
                            "  { id = \"anthropic\"; api_key = \"env:OTHER_KEY\"; } );\n");
    assert_int_equal(c->nproviders, 2);
    assert_int_equal(c->providers[1].line, 3);
    char *key = config_key(&c->providers[0]);
    assert_string_equal(key, "k1");
    config_key_free(&key);
    assert_null(key);
    assert_string_equal(c->providers[1].api, "anthropic");
    assert_string_equal(c->providers[1].base_url, "https://api.anthropic.com");
    assert_null(config_key(&c->providers[1]));
    setenv("OTHER_KEY", "k2", 1);
    key = config_key(&c->providers[1]);
    assert_string_equal(key, "k2");
    config_key_free(&key);
    unsetenv("OTHER_KEY");
    config_free(&c);

    refused("providers = { };\n", "1: `providers` must be a list of groups: ( { id = \"…\"; … } )");
    refused("providers = ( { api = \"anthropic\"; } );\n", "1: a provider needs an `id`");
    refused("providers = ( { id = \"a b\"; } );\n",
            "1: provider id \"a b\" may only hold a-z, 0-9, _ and -");
    refused("providers = ( { id = \"rehearsal\"; api = \"anthropic\"; } );\n",
            "1: provider \"rehearsal\" is built in; choose another id");
    refused("providers = ( { id = \"x\"; api = \"soap\"; } );\n",
            "1: provider \"x\": unknown api \"soap\"; known: anthropic, openai_completions, "
            "openai_chat_completions, openai_responses, azure, azure_responses");
    refused("providers = ( { id = \"x\"; base_url = \"http://x\"; } );\n",
            "1: provider \"x\" needs an `api`: one of anthropic, openai_completions, "
            "openai_chat_completions, openai_responses, azure, azure_responses");
    refused("providers = ( { id = \"x\"; api = \"anthropic\"; base_url = \"http://x\";\n"
            "  deployment = \"d\"; } );\n",
            "1: provider \"x\": only the apis azure and azure_responses have a deployment and an "
            "api_version");
    refused("providers = (\n { id = \"azure\"; } );\n",
            "2: provider \"azure\" needs a `base_url`, or set AZURE_OPENAI_ENDPOINT");
    refused("providers = ( { id = \"x\"; api = \"anthropic\"; base_url = \"ftp://x\"; } );\n",
            "1: provider \"x\": base_url must begin with http:// or https://");
    refused("providers = ( { id = \"x\"; api = \"anthropic\"; base_url = \"http://u:p@x\"; } );\n",
            "1: provider \"x\": no login in base_url; use api_key");
    refused("providers = ( { id = \"anthropic\"; },\n { id = \"anthropic\"; } );\n",
            "2: provider \"anthropic\" is already described in line 1");
}

static void test_permissions(void **state) {
    (void)state;
    struct config *c = load("permissions = ( { tool = \"shell\"; match = \"git \\\"push\\\"*\";\n"
                            "                  action = \"ask\"; },\n"
                            "  { tool = \"file_write\"; action = \"deny\"; } );\n");
    assert_int_equal(c->npermissions, 2);
    assert_string_equal(c->permissions[0].tool, "shell");
    assert_string_equal(c->permissions[0].match, "git \"push\"*");
    assert_string_equal(c->permissions[0].action, "ask");
    assert_int_equal(c->permissions[0].line, 1);
    assert_null(c->permissions[1].match);
    assert_int_equal(c->permissions[1].line, 3);
    char *text = config_show(c);
    config_free(&c);
    c = load(text);
    char *again = config_show(c);
    assert_string_equal(text, again);
    assert_int_equal(c->npermissions, 2);
    assert_string_equal(c->permissions[0].match, "git \"push\"*");
    config_free(&c);
    free(text);
    free(again);

    refused("permissions = { };\n", "1: `permissions` must be a list of groups: ( { tool = \"…\"; "
                                    "match = \"…\"; action = \"…\"; } )");
    refused("permissions = ( 3 );\n",
            "1: each permission must be a group: { tool = \"…\"; action = \"…\"; }");
    refused("permissions = (\n { tool = \"shell\"; } );\n",
            "2: a permission needs a `tool` and an `action`");
    refused("permissions = (\n { action = \"deny\"; } );\n",
            "2: a permission needs a `tool` and an `action`");
    refused("permissions = ( { tool = \"shell\";\n action = \"denny\"; } );\n",
            "1: `action` must be allow, ask or deny, not \"denny\"; did you mean `deny`?");
    refused("permissions = ( { tool = \"shell\"; action = \"deny\";\n math = \"x\"; } );\n",
            "2: unknown key `permissions: math`; did you mean `match`?");
    refused("permissions = ( { tool = \"shell\"; action = \"deny\"; match = \"\"; } );\n",
            "1: `match` is empty");
    refused("permission = ( );\n", "1: unknown section `permission`; did you mean `permissions`?");
}

static void test_environment(void **state) {
    (void)state;
    setenv("ANTHROPIC_API_KEY", "from-env", 1);
    setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9", 1);
    struct config *c = load("");
    assert_int_equal(c->nproviders, 1);
    assert_string_equal(c->providers[0].base_url, "http://127.0.0.1:9");
    char *key = config_key(&c->providers[0]);
    assert_string_equal(key, "from-env");
    config_key_free(&key);
    config_free(&c);

    /* The config wins for what it sets, the environment fills what it leaves open. */
    c = load("providers = ( { id = \"anthropic\"; base_url = \"http://127.0.0.1:8\"; } );\n");
    assert_int_equal(c->nproviders, 1);
    assert_string_equal(c->providers[0].base_url, "http://127.0.0.1:8");
    key = config_key(&c->providers[0]);
    assert_string_equal(key, "from-env");
    config_key_free(&key);
    config_free(&c);

    setenv("ANTHROPIC_BASE_URL", "not an address", 1);
    struct cause why;
    put("");
    assert_int_equal(config_load(path, &c, &why), STATUS_CONFIG);
    assert_non_null(strstr(why.text, "ANTHROPIC_BASE_URL must be an address"));
}

static void assert_provider(const struct config *c, const char *id, const char *url) {
    for (size_t i = 0; i < c->nproviders; i++) {
        if (strcmp(c->providers[i].id, id) != 0)
            continue;
        assert_string_equal(c->providers[i].api, "openai_completions");
        assert_string_equal(c->providers[i].base_url, url);
        return;
    }
    fail_msg("there is no provider %s", id);
}

static void test_other_environment(void **state) {
    (void)state;
    setenv("OPENAI_API_KEY", "k1", 1);
    setenv("OPENROUTER_API_KEY", "k2", 1);
    struct config *c = load("");
    assert_int_equal(c->nproviders, 2);
    assert_provider(c, "openai", "https://api.openai.com");
    assert_provider(c, "openrouter", "https://openrouter.ai/api");
    char *key = config_key(&c->providers[1]);
    assert_string_equal(key, "k2");
    config_key_free(&key);
    config_free(&c);
    unsetenv("OPENROUTER_API_KEY");
    setenv("OPENAI_BASE_URL", "http://127.0.0.1:8080/v1", 1);
    c = load("");
    assert_int_equal(c->nproviders, 1);
    assert_provider(c, "openai", "http://127.0.0.1:8080/v1");
    config_free(&c);
    unsetenv("OPENAI_BASE_URL");
    unsetenv("OPENAI_API_KEY");
    /* It is what Ollama's own server and client take. */
    static const char *const hosts[][2] = {
        {"127.0.0.1", "http://127.0.0.1:11434"},   {"0.0.0.0", "http://127.0.0.1:11434"},
        {":8000", "http://127.0.0.1:8000"},        {"[::]:8000", "http://[::1]:8000"},
        {"box.lan:8000", "http://box.lan:8000"},   {"[fe80::1]", "http://[fe80::1]:11434"},
        {"https://box.lan/x", "https://box.lan/x"}};
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        setenv("OLLAMA_HOST", hosts[i][0], 1);
        c = load("");
        assert_int_equal(c->nproviders, 1);
        assert_provider(c, "ollama", hosts[i][1]);
        assert_null(config_key(&c->providers[0]));
        assert_false(config_needs_key(&c->providers[0]));
        config_free(&c);
    }
    unsetenv("OLLAMA_HOST");
}

static void expect_routing(const char *text, const char *thinks, const char *works) {
    struct config *c = load(text);
    assert_string_equal(c->routing.channel, thinks);
    assert_string_equal(c->routing.branch, thinks);
    assert_string_equal(c->routing.worker, works);
    config_free(&c);
}

/* Nobody who has one key has to name models. */
static void test_routing_follows_the_key(void **state) {
    (void)state;
    static const char claude[] = "anthropic/claude-sonnet-5-5",
                      haiku[] = "anthropic/claude-haiku-5-5";
    expect_routing("", claude, haiku);
    setenv("OPENAI_API_KEY", "k1", 1);
    expect_routing("", "openai/gpt-5.2", "openai/gpt-5-mini");
    /* An address alone is no key. */
    setenv("ANTHROPIC_BASE_URL", "https://example.test", 1);
    expect_routing("", "openai/gpt-5.2", "openai/gpt-5-mini");
    setenv("ANTHROPIC_API_KEY", "k2", 1);
    expect_routing("", claude, haiku);
    /* A configured provider comes before what only the environment knows. */
    expect_routing("providers = ( { id = \"openai\"; } );\n", "openai/gpt-5.2",
                   "openai/gpt-5-mini");
    /* One whose models nobody knows decides nothing. */
    expect_routing("providers = ( { id = \"near\"; api = \"openai_completions\"; "
                   "base_url = \"http://127.0.0.1:9\"; } );\n",
                   claude, haiku);
    unsetenv("ANTHROPIC_API_KEY");
    unsetenv("ANTHROPIC_BASE_URL");
    unsetenv("OPENAI_API_KEY");
    setenv("OPENROUTER_API_KEY", "k3", 1);
    struct config *c = load("routing = { worker = \"near/small\"; };\n");
    assert_string_equal(c->routing.channel, "openrouter/openrouter/auto");
    assert_string_equal(c->routing.worker, "near/small");
    config_free(&c);
    unsetenv("OPENROUTER_API_KEY");
}

/* The text for people names variables of the table, of providers that have a default model. */
static void test_the_hint_names_keys(void **state) {
    (void)state;
    static const char text[] = PROVIDER_KEYS_TEXT;
    size_t named = 0;
    for (size_t i = 0; i < provider_ninfos; i++) {
        const struct provider_info *e = &provider_infos[i];
        /* The whole word: GEMINI_API_KEY is not in "…OPENAI_API_KEY". */
        const char *at = strstr(text, e->key_var);
        if (!at || (at != text && at[-1] != ' '))
            continue;
        named++;
        assert_non_null(provider_default_model(e->id, MODEL_THINKS));
        assert_non_null(provider_default_model(e->id, MODEL_WORKS));
    }
    assert_int_equal(named, 3);
}

static void test_needs_key(void **state) {
    (void)state;
    static const struct {
        const char *url;
        bool needs;
    } cases[] = {{"http://127.0.0.1:8080/v1", false}, {"http://127.1.2.3", false},
                 {"http://localhost", false},         {"http://localhost:1", false},
                 {"https://[::1]:1/x", false},        {"http://127.0.0.1.example", true},
                 {"http://localhost.example", true},  {"https://api.openai.com", true}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char id[] = "x", url[64];
        snprintf(url, sizeof(url), "%s", cases[i].url);
        struct config_provider p = {.id = id, .base_url = url};
        assert_int_equal(config_needs_key(&p), cases[i].needs);
    }
}

/* Looks for `needle` in /proc/self/environ, which shows the memory the kernel gave at exec. */
static int environ_holds(const char *needle) {
    static char all[256 * 1024];
    int fd = open("/proc/self/environ", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, all, sizeof(all) - 1);
    if (fd >= 0)
        close(fd);
    return n < 0 ? -1 : memmem(all, (size_t)n, needle, strlen(needle)) != NULL;
}

/* Run as the same program with the variables set at exec. */
static int wipe_child(void) {
    if (environ_holds("wipe-me-please") != 1 || environ_holds("and-me-too") != 1)
        return 2;
    struct config *c = NULL;
    if (config_load(getenv("CONFIG_PATH"), &c, NULL) != STATUS_OK)
        return 3;
    config_wipe_env(c);
    bool gone = !getenv("ANTHROPIC_API_KEY") && !getenv("MY_KEY") && getenv("CONFIG_PATH");
    config_free(&c);
    if (!gone)
        return 4;
    return environ_holds("wipe-me-please") == 0 && environ_holds("and-me-too") == 0 ? 0 : 5;
}

static char *program; /* this one: not /proc/self/exe, which is valgrind's under memcheck */

static void test_wipe(void **state) {
    (void)state;
    put("providers = ( { id = \"x\"; api = \"anthropic\"; base_url = \"http://a\";\n"
        "  api_key = \"env:MY_KEY\"; } );\n");
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        setenv("CONFIG_PATH", path, 1);
        setenv("ANTHROPIC_API_KEY", "wipe-me-please", 1);
        setenv("MY_KEY", "and-me-too", 1);
        execl(program, program, "--wipe-child", (char *)NULL);
        _exit(1);
    }
    int how = 0;
    assert_int_equal(waitpid(pid, &how, 0), pid);
    assert_true(WIFEXITED(how));
    assert_int_equal(WEXITSTATUS(how), 0);
}

static void test_show_hides_keys_and_parses(void **state) {
    (void)state;
    setenv("SHOWN_KEY", "secret-two", 1);
    struct config *c = load("routing = { channel = \"a\\\"b\\\\c\"; };\n"
                            "sandbox = { passthrough_env = [ \"LANG\" ]; };\n"
                            "providers = ( { id = \"one\"; api = \"anthropic\";\n"
                            "  base_url = \"http://a\"; api_key = \"secret-one\"; },\n"
                            "  { id = \"two\"; api = \"anthropic\";\n"
                            "  base_url = \"http://b\"; api_key = \"env:SHOWN_KEY\"; } );\n");
    char *text = config_show(c);
    config_free(&c);
    assert_null(strstr(text, "secret"));
    assert_non_null(strstr(text, "# api_key is set\n"));
    assert_non_null(strstr(text, "api_key = \"env:SHOWN_KEY\";   # the variable is set\n"));
    c = load(text);
    assert_string_equal(c->routing.channel, "a\"b\\c");
    assert_int_equal(c->sandbox.passthrough_env.n, 1);
    assert_int_equal(c->nproviders, 2);
    char *again = config_show(c);
    /* Only the key that was hidden is missing the second time. */
    assert_non_null(strstr(again, "# api_key is not set\n"));
    free(again);
    free(text);
    config_free(&c);
    unsetenv("SHOWN_KEY");
}

/* The template changes nothing as it is, and nothing with every # before a key taken away. */
static void test_template(void **state) {
    (void)state;
    struct config *c = load("");
    char *plain = config_show(c);
    config_free(&c);
    char *text = config_template();
    c = load(text);
    char *with = config_show(c);
    config_free(&c);
    assert_string_equal(plain, with);
    free(with);
    size_t keys = 0;
    for (char *p = strstr(text, "\n  #"); p; p = strstr(p + 1, "\n  #"))
        if (p[4] != ' ' && p[4] != '{') {
            p[3] = ' ';
            keys++;
        }
    assert_true(keys > 12);
    /* Each of the groups alone. */
    size_t groups = 0;
    for (char *p = strstr(text, "\n  #{"); p; p = strstr(p + 1, "\n  #{"), groups++) {
        p[3] = ' ';
        c = load(text);
        p[3] = '#';
        assert_int_equal(c->nproviders + c->npermissions + c->nprices, 1);
        config_free(&c);
    }
    assert_int_equal(groups, provider_ninfos + 2); /* a permission and a price */
    for (char *p = strstr(text, "\n    #{"); p; p = strstr(p + 1, "\n    #{"), groups++) {
        p[5] = ' ';
        c = load(text);
        p[5] = '#';
        assert_int_equal(c->routing.ntask_overrides + c->routing.nfallbacks, 1);
        config_free(&c);
    }
    assert_int_equal(groups, provider_ninfos + 4);
    c = load(text);
    with = config_show(c);
    config_free(&c);
    assert_memory_equal(plain, with, (size_t)(strstr(plain, "providers") - plain));
    free(with);
    free(plain);
    free(text);
}

static void test_odd_files(void **state) {
    (void)state;
    struct config *c = NULL;
    struct cause why;
    assert_int_equal(config_load(dir, &c, &why), STATUS_CONFIG);
    assert_non_null(strstr(why.text, "not a regular file"));
    FILE *f = fopen(path, "w");
    fwrite("a\0b", 1, 3, f);
    fclose(f);
    assert_int_equal(config_load(path, &c, &why), STATUS_CONFIG);
    assert_non_null(strstr(why.text, "NUL"));
    f = fopen(path, "w");
    for (int i = 0; i < 40000; i++)
        fputs("# a long line of nothing at all\n", f);
    fclose(f);
    assert_int_equal(config_load(path, &c, &why), STATUS_CONFIG);
    assert_non_null(strstr(why.text, "larger than"));
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--wipe-child") == 0)
        return wipe_child();
    program = realpath(argv[0], NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_missing_file_is_defaults, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_type, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_types_and_ranges, setup, teardown),
        cmocka_unit_test_setup_teardown(test_syntax_and_includes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_providers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_permissions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_environment, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_environment, setup, teardown),
        cmocka_unit_test_setup_teardown(test_routing_follows_the_key, setup, teardown),
        cmocka_unit_test(test_the_hint_names_keys),
        cmocka_unit_test(test_needs_key),
        cmocka_unit_test_setup_teardown(test_wipe, setup, teardown),
        cmocka_unit_test_setup_teardown(test_show_hides_keys_and_parses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_template, setup, teardown),
        cmocka_unit_test_setup_teardown(test_odd_files, setup, teardown),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(program);
    return failed;
}
