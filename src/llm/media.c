/* media: kinds of files, and the models that see. Which model takes what is told by its name: a
 * call with a picture for one that has no eyes is refused as a whole, so what is not known to see
 * is told in words. */
#include "llm/media.h"

#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "llm/effort.h"

static bool in_list(const char *s, const char *const *list, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (strcasecmp(s, list[i]) == 0)
            return true;
    return false;
}

static bool has_any(const char *s, const char *const *parts, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (strcasestr(s, parts[i]))
            return true;
    return false;
}

static bool sees(const char *name) {
    static const char *const parts[] = {"claude-",
                                        "gpt-4o",
                                        "gpt-4.1",
                                        "gpt-5",
                                        "gemini",
                                        "vision",
                                        "-vl",
                                        "vl-",
                                        "llava",
                                        "pixtral",
                                        "gemma-3",
                                        "gemma3",
                                        "llama-4",
                                        "grok-4",
                                        "kimi-k2.5",
                                        "4.5v",
                                        "4.6v",
                                        "minicpm-v",
                                        "internvl",
                                        "omni",
                                        "moondream",
                                        "mistral-medium-3",
                                        "mistral-small-3"};
    static const char *const whole[] = {"o1", "o3", "o3-pro", "o4-mini"};
    return in_list(name, whole, ARRAY_LEN(whole)) || has_any(name, parts, ARRAY_LEN(parts));
}

static bool reads_pdf(const char *name) {
    static const char *const parts[] = {"claude-", "gpt-4o", "gpt-4.1", "gpt-5", "gemini"};
    static const char *const whole[] = {"o1", "o3", "o3-pro", "o4-mini"};
    return !str_prefix(name, "claude-3-haiku") && !str_prefix(name, "claude-3-opus") &&
           (in_list(name, whole, ARRAY_LEN(whole)) || has_any(name, parts, ARRAY_LEN(parts)));
}

static bool hears(const char *name) {
    static const char *const parts[] = {"audio", "gemini", "whisper", "voxtral", "omni"};
    return has_any(name, parts, ARRAY_LEN(parts));
}

static bool is_text(const char *mime) {
    static const char *const others[] = {"application/json", "application/xml",
                                         "application/x-sh", "application/javascript",
                                         "application/toml", "application/yaml"};
    return str_prefix(mime, "text/") || in_list(mime, others, ARRAY_LEN(others));
}

enum media media_as(const struct wire_place *p, const char *model, const struct llm_block *file) {
    static const char *const images[] = {"image/png", "image/jpeg", "image/gif", "image/webp"};
    static const char *const sounds[] = {"audio/wav", "audio/x-wav", "audio/mpeg", "audio/mp3"};
    const char *name = effort_bare(model);
    if (is_text(file->mime))
        return MEDIA_TEXT;
    if (in_list(file->mime, images, ARRAY_LEN(images)) && sees(name))
        return MEDIA_IMAGE;
    if (strcasecmp(file->mime, "application/pdf") == 0 && reads_pdf(name))
        return MEDIA_PDF;
    bool chat = p->api != PROVIDER_API_ANTHROPIC && p->api != PROVIDER_API_OPENAI_RESPONSES &&
                p->api != PROVIDER_API_AZURE_RESPONSES;
    if (in_list(file->mime, sounds, ARRAY_LEN(sounds)) && chat && hears(name))
        return MEDIA_AUDIO;
    return MEDIA_NOTE;
}

bool media_hears(const char *model) { return hears(effort_bare(model)); }

static unsigned digit(char c) {
    return c >= 'A' && c <= 'Z'   ? (unsigned)(c - 'A')
           : c >= 'a' && c <= 'z' ? (unsigned)(c - 'a') + 26
           : c >= '0' && c <= '9' ? (unsigned)(c - '0') + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : 64;
}

/* Base64 back to bytes; ends at what is none, as its own padding. */
static void decode(struct buf *out, const char *s) {
    unsigned bits = 0, n = 0;
    for (unsigned d; (d = digit(*s)) < 64; s++) {
        bits = bits << 6 | d;
        n += 6;
        if (n < 8)
            continue;
        n -= 8;
        buf_putc(out, (char)(bits >> n & 0xFF));
        bits &= (1u << n) - 1;
    }
}

void media_words(struct buf *out, const struct llm_block *file, enum media as) {
    const char *name = str_empty(file->name) ? "without a name" : file->name;
    if (as == MEDIA_TEXT) {
        struct buf bytes = BUF_INIT;
        decode(&bytes, file->text);
        buf_printf(out, "[file %s]\n", name);
        utf8_append_valid(out, buf_str(&bytes), bytes.len);
        buf_puts(out, "\n[end of file]");
        buf_free(&bytes);
        return;
    }
    buf_printf(out, "[A file was given here that this model cannot read: %s, %s, %zu bytes.]", name,
               file->mime, strlen(file->text) / 4 * 3);
}

void media_url(struct buf *out, const struct llm_block *file) {
    struct buf url = BUF_INIT;
    buf_printf(&url, "data:%s;base64,%s", file->mime, file->text);
    json_quote(out, buf_str(&url), url.len);
    buf_free(&url);
}
