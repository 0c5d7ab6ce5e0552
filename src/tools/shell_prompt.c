/* shell_prompt: the few shapes that prompts have. Ending a command that only works in silence is
 * worse than waiting for one that asks until its time is over, so a shape is here only where
 * progress hardly ever looks like it. */
#include "tools/shell_prompt.h"

#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"

/* Before a colon: as the last word, or with " for" behind it. */
static const char *const wanted[] = {"password", "passphrase", "passcode", "username", "pin",
                                     "otp",      "selection",  "choice",   "answer"};
/* Before a colon: as the first word. */
static const char *const asking[] = {"enter", "type",  "select",  "choose",
                                     "press", "input", "specify", "confirm"};
static const char *const choices[] = {
    "[y/n]", "(y/n)", "[yes/no]", "(yes/no)", "([y]/n)", "(y/[n])", "(yes/no/[fingerprint])"};
static const char *const keys[] = {"press enter", "press return", "press any key",
                                   "hit enter",   "hit return",   "hit any key"};

/* Without blanks at the ends and without sequences that only colour. False: none, or one that is
 * more than text. */
static bool plain(const char *line, size_t n, char out[SHELL_PROMPT_MAX + 1], size_t *len) {
    *len = 0;
    if (n > SHELL_PROMPT_MAX)
        return false;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)line[i];
        if (c == '\033' && i + 1 < n && line[i + 1] == '[') {
            for (i += 2; i < n && strchr("0123456789;?", line[i]) && line[i]; i++)
                ;
            continue; /* its last byte goes, too */
        }
        if (c < ' ' && c != '\t')
            return false;
        if (*len || (c != ' ' && c != '\t'))
            out[(*len)++] = (char)c;
    }
    while (*len && (out[*len - 1] == ' ' || out[*len - 1] == '\t'))
        --*len;
    out[*len] = '\0';
    return *len > 0;
}

static bool holds_any(const char *line, const char *const *words, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (strcasestr(line, words[i]))
            return true;
    return false;
}

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

static bool is_any(const char *word, size_t n, const char *const *words, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (strlen(words[i]) == n && strncasecmp(words[i], word, n) == 0)
            return true;
    return false;
}

/* What stands before a colon asks for something. */
static bool asks(const char *text, size_t n) {
    size_t first = 0, last = n;
    if (n > 7 && strncasecmp(text, "please ", 7) == 0)
        text += 7, n -= 7, last = n;
    while (first < n && is_letter(text[first]))
        first++;
    while (last && is_letter(text[last - 1]))
        last--;
    if (is_any(text, first, asking, ARRAY_LEN(asking)) ||
        is_any(text + last, n - last, wanted, ARRAY_LEN(wanted)))
        return true;
    return strcasestr(text, "password for ") || strcasestr(text, "passphrase for ") ||
           strcasestr(text, "username for ");
}

/* One word and its sign: "$", ">>>", "mysql>", "(gdb)", "sh-5.2#". */
static bool interpreter(const char *text, size_t n) {
    char sign = text[n - 1];
    if (n > 40 || strpbrk(text, " \t<"))
        return false;
    if (text[0] == '(' && sign == ')')
        return n > 2 && n <= 12 && is_letter(text[1]);
    if (!strchr(">$#", sign))
        return false;
    return n == 1 || str_eq(text, ">>>") || (is_letter(text[0]) && strcspn(text, ">$#") == n - 1);
}

bool shell_prompt_like(const char *line, size_t n, bool open) {
    char text[SHELL_PROMPT_MAX + 1];
    size_t len;
    if (!plain(line, n, text, &len))
        return false;
    if (holds_any(text, keys, ARRAY_LEN(keys)))
        return true;
    if (text[len - 1] == ':' || text[len - 1] == '?') {
        size_t end = len - 1;
        while (end && text[end - 1] == ' ')
            end--;
        if (holds_any(text, choices, ARRAY_LEN(choices)))
            return true;
        if (!open)
            return false;
        return text[len - 1] == ':' ? asks(text, end) : strncasecmp(text, "checking ", 9) != 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(choices); i++) {
        size_t k = strlen(choices[i]);
        if (len >= k && strcasecmp(text + len - k, choices[i]) == 0)
            return true;
    }
    return open && interpreter(text, len);
}

bool shell_prompt_fed(const char *command) {
    const char *at = command;
    while ((at = strpbrk(at, "<|")) != NULL) {
        if (*at == '<' || at[1] != '|')
            return true;
        at += 2;
    }
    return false;
}
