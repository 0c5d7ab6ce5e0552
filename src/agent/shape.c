/* shape: beginnings are looked at, never sentences inside; what looks like a call is parsed as
 * JSON, and what does not parse stays what it is. */
#include "agent/shape.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "tools/tool.h"

#define CALL_MAX 262144u /* bytes of a call that are looked at */

static const char *trimmed(const char *s) { return s + strspn(s, " \t\r\n\v\f"); }

bool shape_blank(const char *text) { return *trimmed(text) == '\0'; }

bool shape_only_skip(const char *text) {
    while (*text && !isalnum((unsigned char)*text))
        text++;
    if (strncasecmp(text, "skip", 4) != 0)
        return false;
    for (text += 4; *text; text++)
        if (isalnum((unsigned char)*text) || (unsigned char)*text >= 0x80)
            return false;
    return true;
}

/* The name of a tool, then something that no word has. Returns what comes behind it, else NULL. */
static const char *after_tool_name(const char *s) {
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz_");
    enum tool_id id;
    if (n == 0)
        return NULL;
    char *name = xstrndup(s, n);
    bool known = tool_from_string(name, &id) == STATUS_OK;
    x_free(&name);
    return known ? s + n : NULL;
}

bool shape_structured(const char *text) {
    static const char *const tags[] = {"<system-reminder>", "<path>", "<tool_call>",
                                       "<function_call", "<status>"};
    const char *s = trimmed(text);
    if (*s && strchr("{[(", *s))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(tags); i++)
        if (strncasecmp(s, tags[i], strlen(tags[i])) == 0)
            return true;
    const char *rest = after_tool_name(s);
    return rest && trimmed(rest)[0] == '(' && trimmed(trimmed(rest) + 1)[0] == '{';
}

/* --- a reply written as text --------------------------------------------------------------------
 */

/* The object that begins at *s, however much follows it: cut at the brace that closes it. */
static cJSON *object_at(const char *s) {
    size_t depth = 0, n = 0;
    bool quoted = false;
    for (; s[n] && n < CALL_MAX; n++) {
        if (quoted) {
            if (s[n] == '\\' && s[n + 1])
                n++;
            else if (s[n] == '"')
                quoted = false;
            continue;
        }
        if (s[n] == '"')
            quoted = true;
        else if (s[n] == '{')
            depth++;
        else if (s[n] == '}' && --depth == 0)
            break;
    }
    cJSON *o = NULL;
    if (s[n] != '}' || json_parse(s, n + 1, &o, NULL) != STATUS_OK)
        return NULL;
    return o;
}

static char *content_of(const cJSON *args) {
    const char *content = json_str(args, "content", NULL);
    return content && !shape_blank(content) ? xstrdup(content) : NULL;
}

/* {"name":"reply","arguments":{…}}, with the arguments as an object or as its text. */
static char *from_call(const cJSON *call) {
    static const char *const names[] = {"name", "tool", "function", "tool_name"};
    static const char *const members[] = {"arguments", "input", "parameters", "args"};
    bool reply = false;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        reply |= str_eq(json_str(call, names[i], NULL), tool_get(TOOL_REPLY)->name);
    if (!reply)
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        const cJSON *args = json_obj(call, members[i]);
        const char *text = json_str(call, members[i], NULL);
        cJSON *parsed = NULL;
        if (text && json_parse(text, strlen(text), &parsed, NULL) != STATUS_OK)
            continue;
        char *content = content_of(args ? args : parsed);
        cJSON_Delete(parsed);
        if (content)
            return content;
    }
    return content_of(call);
}

/* Behind a code fence's first line, or an opening tag. */
static const char *inside(const char *s) {
    if (str_prefix(s, "```"))
        s += strcspn(s, "\n");
    else if (*s == '<' && strchr("abcdefghijklmnopqrstuvwxyz|", tolower((unsigned char)s[1])))
        s += strcspn(s, ">") + (strchr(s, '>') != NULL);
    return trimmed(s);
}

char *shape_reply_content(const char *text) {
    const char *reply = tool_get(TOOL_REPLY)->name, *s = inside(trimmed(text));
    size_t n = strlen(reply);
    bool bare = false;
    if (*s == '[' && strncmp(s + 1, reply, n) == 0 && s[n + 1] == ']') {
        s = trimmed(s + n + 2);
        if (*s != '{')
            return *s ? xstrdup(s) : NULL;
        bare = true;
    } else if (strncmp(s, reply, n) == 0 && trimmed(s + n)[0] == '(') {
        s = trimmed(trimmed(s + n) + 1);
        bare = true;
    } else if (*s == '[') {
        s = trimmed(s + 1); /* a list of calls: the first */
    }
    if (*s != '{')
        return NULL;
    cJSON *o = object_at(s);
    char *content = o ? bare ? content_of(o) : from_call(o) : NULL;
    cJSON_Delete(o);
    return content;
}

/* --- decisions ----------------------------------------------------------------------------------
 */

#define DECISION_MAX 200u /* characters (SPEC A.3) */

static bool holds(const char *s, size_t n, const char *phrase) {
    size_t len = strlen(phrase);
    for (size_t i = 0; i + len <= n; i++)
        if (strncasecmp(s + i, phrase, len) == 0 && (i == 0 || !isalpha((unsigned char)s[i - 1])))
            return true;
    return false;
}

static bool decides(const char *s, size_t n) {
    static const char *const phrases[] = {"going with ",   "we decided ",   "decided to ",
                                          "switching to ", "decision:",     "we'll go with ",
                                          "we settled on", "let's go with", "we agreed "};
    static const char *const choices[] = {"use", "using", "choose", "chose", "picked", "prefer"};
    for (size_t i = 0; i < ARRAY_LEN(phrases); i++)
        if (holds(s, n, phrases[i]))
            return true;
    if (!holds(s, n, "instead of "))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(choices); i++)
        if (holds(s, n, choices[i]))
            return true;
    return false;
}

/* Up to a mark that is followed by white space, or a line's end: "5.2" is no end. */
static size_t sentence(const char *s) {
    size_t n = 0;
    while (s[n] && s[n] != '\n') {
        bool mark = strchr(".!?", s[n]) != NULL;
        n++;
        if (mark && (s[n] == ' ' || s[n] == '\0'))
            break;
    }
    return n;
}

char *shape_decision(const char *reply) {
    for (const char *s = trimmed(reply); *s;) {
        size_t n = sentence(s);
        if (decides(s, n)) {
            size_t cut = 0, characters = 0;
            while (cut < n && characters < DECISION_MAX) {
                do
                    cut++;
                while (cut < n && ((unsigned char)s[cut] & 0xC0) == 0x80);
                characters++;
            }
            return xstrndup(s, cut);
        }
        s = trimmed(s + n);
    }
    return NULL;
}
