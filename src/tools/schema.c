/* schema: checks a value against a schema, member by member, and says where the first thing is
 * wrong. A tool's schema is written by us and checked by a test; the values are written by models.
 */
#include "tools/schema.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"

#define SCHEMA_DEPTH_MAX 16u

static enum status check(const cJSON *schema, cJSON *value, const char *path, unsigned depth,
                         struct cause *why);

static const char *shown(const char *path) { return *path ? path : "the arguments"; }

static const char *type_of(const cJSON *v) {
    return cJSON_IsObject(v)   ? "an object"
           : cJSON_IsArray(v)  ? "an array"
           : cJSON_IsString(v) ? "a string"
           : cJSON_IsNumber(v) ? "a number"
           : cJSON_IsBool(v)   ? "a boolean"
                               : "null";
}

static const char *article(const char *type) { return strchr("aeiou", type[0]) ? "an" : "a"; }

static bool is_whole(const cJSON *v) { return floor(v->valuedouble) == v->valuedouble; }

/* Models often write numbers as strings: "60". */
static void convert_number(cJSON *value) {
    double d;
    if (!cJSON_IsString(value) || str_to_double(value->valuestring, &d) != STATUS_OK)
        return;
    cJSON_free(value->valuestring);
    value->valuestring = NULL;
    value->type = (value->type & ~0xFF) | cJSON_Number;
    cJSON_SetNumberHelper(value, d);
}

static bool has_type(const char *type, cJSON *value) {
    if (str_eq(type, "number") || str_eq(type, "integer"))
        convert_number(value);
    return (str_eq(type, "object") && cJSON_IsObject(value)) ||
           (str_eq(type, "array") && cJSON_IsArray(value)) ||
           (str_eq(type, "string") && cJSON_IsString(value)) ||
           (str_eq(type, "boolean") && cJSON_IsBool(value)) ||
           (str_eq(type, "null") && cJSON_IsNull(value)) ||
           (str_eq(type, "number") && cJSON_IsNumber(value)) ||
           (str_eq(type, "integer") && cJSON_IsNumber(value) && is_whole(value));
}

static enum status check_type(const cJSON *type, cJSON *value, const char *path,
                              struct cause *why) {
    if (cJSON_IsString(type)) {
        if (has_type(type->valuestring, value))
            return STATUS_OK;
        return cause_set(why, STATUS_INVALID, "%s must be %s %s, not %s", shown(path),
                         article(type->valuestring), type->valuestring, type_of(value));
    }
    const cJSON *one;
    struct buf names = BUF_INIT;
    cJSON_ArrayForEach(one, type) {
        if (has_type(one->valuestring, value)) {
            buf_free(&names);
            return STATUS_OK;
        }
        buf_printf(&names, "%s%s", names.len ? " or " : "", one->valuestring);
    }
    enum status st = cause_set(why, STATUS_INVALID, "%s must be %s, not %s", shown(path),
                               buf_str(&names), type_of(value));
    buf_free(&names);
    return st;
}

static enum status check_enum(const cJSON *allowed, const cJSON *value, const char *path,
                              struct cause *why) {
    struct buf names = BUF_INIT;
    const cJSON *one;
    cJSON_ArrayForEach(one, allowed) {
        if (cJSON_Compare(one, value, true)) {
            buf_free(&names);
            return STATUS_OK;
        }
        char *text = json_print(one);
        buf_printf(&names, "%s%s", names.len ? ", " : "", text);
        x_free(&text);
    }
    enum status st =
        cause_set(why, STATUS_INVALID, "%s must be one of %s", shown(path), buf_str(&names));
    buf_free(&names);
    return st;
}

static size_t characters(const char *s) {
    size_t n = 0;
    for (; *s; s++)
        n += ((unsigned char)*s & 0xC0) != 0x80;
    return n;
}

/* A bound that is not kept: `is` compared with the keyword's number. */
static enum status bound(double limit, double is, bool least, const char *what, const char *path,
                         struct cause *why) {
    if (least ? is >= limit : is <= limit)
        return STATUS_OK;
    return cause_set(why, STATUS_INVALID, "%s must be at %s %.15g%s, not %.15g", shown(path),
                     least ? "least" : "most", limit, what, is);
}

static enum status check_member(const cJSON *properties, bool closed, cJSON *member,
                                const char *path, unsigned depth, struct cause *why) {
    char *place = xasprintf("%s%s%.80s", path, *path ? "." : "", member->string);
    const cJSON *sub = cJSON_GetObjectItemCaseSensitive(properties, member->string);
    enum status st = STATUS_OK;
    if (sub) {
        st = check(sub, member, place, depth + 1, why);
    } else if (closed) {
        const char *names[64];
        size_t n = 0;
        const cJSON *p;
        cJSON_ArrayForEach(p, properties) {
            if (n < ARRAY_LEN(names))
                names[n++] = p->string;
        }
        const char *near = str_nearest(member->string, names, n);
        st = cause_set(why, STATUS_INVALID, "%s is not known here%s%s%s", place,
                       near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
    }
    x_free(&place);
    return st;
}

static enum status check_object(const cJSON *schema, cJSON *value, const char *path, unsigned depth,
                                struct cause *why) {
    const cJSON *properties = json_obj(schema, "properties");
    bool closed = cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(schema, "additionalProperties"));
    const cJSON *name;
    cJSON_ArrayForEach(name, json_arr(schema, "required")) {
        if (!cJSON_HasObjectItem(value, name->valuestring))
            return cause_set(why, STATUS_INVALID, "%s%s%s is missing", path, *path ? "." : "",
                             name->valuestring);
    }
    cJSON *member;
    cJSON_ArrayForEach(member, value) {
        enum status st = check_member(properties, closed, member, path, depth, why);
        if (st != STATUS_OK)
            return st;
    }
    return STATUS_OK;
}

static enum status check_items(const cJSON *items, cJSON *value, const char *path, unsigned depth,
                               struct cause *why) {
    int i = 0;
    cJSON *item;
    cJSON_ArrayForEach(item, value) {
        char *place = xasprintf("%s[%d]", path, i++);
        enum status st = check(items, item, place, depth + 1, why);
        x_free(&place);
        if (st != STATUS_OK)
            return st;
    }
    return STATUS_OK;
}

/* One keyword of a schema. Those that do not concern the value's type are passed over, as the
 * standard says. */
static enum status check_keyword(const cJSON *k, const cJSON *schema, cJSON *value,
                                 const char *path, unsigned depth, struct cause *why) {
    const char *name = k->string;
    if (str_eq(name, "type"))
        return check_type(k, value, path, why);
    if (str_eq(name, "enum"))
        return check_enum(k, value, path, why);
    if (str_eq(name, "const"))
        return cJSON_Compare(k, value, true)
                   ? STATUS_OK
                   : cause_set(why, STATUS_INVALID, "%s has another value than it must",
                               shown(path));
    if (str_eq(name, "properties"))
        return cJSON_IsObject(value) ? check_object(schema, value, path, depth, why) : STATUS_OK;
    if (str_eq(name, "items"))
        return cJSON_IsArray(value) ? check_items(k, value, path, depth, why) : STATUS_OK;
    bool least = str_prefix(name, "min");
    if (str_eq(name, "minLength") || str_eq(name, "maxLength"))
        return !cJSON_IsString(value)
                   ? STATUS_OK
                   : bound(k->valuedouble, (double)characters(value->valuestring), least,
                           " characters long", path, why);
    if (str_eq(name, "minimum") || str_eq(name, "maximum"))
        return !cJSON_IsNumber(value)
                   ? STATUS_OK
                   : bound(k->valuedouble, value->valuedouble, least, "", path, why);
    if (str_eq(name, "minItems") || str_eq(name, "maxItems"))
        return !cJSON_IsArray(value) ? STATUS_OK
                                     : bound(k->valuedouble, (double)cJSON_GetArraySize(value),
                                             least, " items long", path, why);
    static const char *const silent[] = {"description",          "default", "required",
                                         "additionalProperties", "title",   "examples"};
    for (size_t i = 0; i < ARRAY_LEN(silent); i++)
        if (str_eq(name, silent[i]))
            return STATUS_OK;
    return cause_set(why, STATUS_CONFIG, "schema keyword \"%s\" is not known here", name);
}

static enum status check(const cJSON *schema, cJSON *value, const char *path, unsigned depth,
                         struct cause *why) {
    if (depth > SCHEMA_DEPTH_MAX)
        return cause_set(why, STATUS_INVALID, "%s is nested too deeply", shown(path));
    const cJSON *k;
    cJSON_ArrayForEach(k, schema) {
        enum status st = check_keyword(k, schema, value, path, depth, why);
        if (st != STATUS_OK)
            return st;
    }
    return STATUS_OK;
}

enum status schema_check(const cJSON *schema, cJSON *value, struct cause *why) {
    return check(schema, value, "", 0, why);
}
