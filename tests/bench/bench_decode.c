/* bench_decode: from the bytes of an answer to its pieces of text: framing and decoding as the
 * client does it, against the least that can be done with cJSON: find the blank line, parse the
 * data, take the text. What framing allocates is counted: this program is linked with --wrap. */
#include <cjson/cJSON.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "llm/anthropic.h"
#include "tests/bench/bench.h"

#define EVENTS 20000
#define PIECE 4096 /* what one read brings at most: READ_BYTES of llm/http.c */

/* ---- allocations ----------------------------------------------------------------------------- */

static atomic_long allocations;

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

void *__wrap_malloc(size_t n) {
    atomic_fetch_add(&allocations, 1);
    return __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size) {
    atomic_fetch_add(&allocations, 1);
    return __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n) {
    atomic_fetch_add(&allocations, 1);
    return __real_realloc(p, n);
}

/* ---- the stream ------------------------------------------------------------------------------ */

static void make_stream(struct buf *out) {
    buf_puts(out, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":"
                  "\"msg_1\",\"model\":\"m\",\"usage\":{\"input_tokens\":9}}}\n\n"
                  "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,"
                  "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n");
    for (int i = 0; i < EVENTS; i++)
        buf_printf(
            out,
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"
            "\"delta\":{\"type\":\"text_delta\",\"text\":\" token %d\"}}\n\n",
            i % 1000);
}

struct job {
    struct buf stream;
    size_t bytes; /* of text that came out, to compare */
    long count;   /* events that came out of framing alone */
    struct decode *decode;
};

static double events_a_second(int64_t start_ns) {
    return EVENTS * (double)NS_PER_SEC / (double)(clock_thread_cpu_ns() - start_ns);
}

/* ---- ours ------------------------------------------------------------------------------------ */

static void on_text(void *arg, const char *text, size_t n) {
    (void)text;
    ((struct job *)arg)->bytes += n;
}

static bool on_event(void *arg, const struct sse_event *e) {
    struct job *j = arg;
    struct cause why;
    return anthropic_event(j->decode, e, &why) == DECODE_MORE;
}

static bool on_frame(void *arg, const struct sse_event *e) {
    (void)e;
    ((struct job *)arg)->count++;
    return true;
}

static bool feed(struct job *j, sse_fn *fn, struct sse *s, struct cause *why) {
    for (size_t at = 0; at < j->stream.len; at += PIECE) {
        size_t n = j->stream.len - at < PIECE ? j->stream.len - at : PIECE;
        if (sse_feed(s, j->stream.data + at, n, fn, j, why) != STATUS_OK)
            return false;
    }
    return true;
}

static bool subject(void *arg, double *values, struct cause *why) {
    static const struct llm_events events = {.on_text = on_text};
    struct job *j = arg;
    struct sse s;
    bench_subject_core();

    sse_init(&s, 0);
    j->bytes = 0;
    j->decode = decode_new(&events, j);
    int64_t start = clock_thread_cpu_ns();
    bool ok = feed(j, on_event, &s, why);
    values[0] = events_a_second(start);
    decode_free(&j->decode);
    sse_free(&s);

    /* Framing: the second time over, when its buffers have grown to what the stream needs. */
    sse_init(&s, 0);
    ok = ok && feed(j, on_frame, &s, why);
    long before = atomic_load(&allocations);
    start = clock_thread_cpu_ns();
    j->count = 0;
    ok = ok && feed(j, on_frame, &s, why);
    values[1] = events_a_second(start) / 1e6;
    values[2] = (double)(atomic_load(&allocations) - before);
    sse_free(&s);
    if (ok && j->count != EVENTS + 2) {
        (void)cause_set(why, STATUS_INVALID, "%ld events of %d", j->count, EVENTS + 2);
        return false;
    }
    return ok;
}

/* ---- the control ----------------------------------------------------------------------------- */

static bool control(void *arg, double *values, struct cause *why) {
    struct job *j = arg;
    const char *at = j->stream.data, *end = at + j->stream.len, *blank;
    size_t bytes = 0;
    bench_subject_core();
    int64_t start = clock_thread_cpu_ns();
    while (at < end && (blank = memmem(at, (size_t)(end - at), "\n\n", 2)) != NULL) {
        const char *data = memmem(at, (size_t)(blank - at), "\ndata: ", 7);
        cJSON *event = data ? cJSON_ParseWithLength(data + 7, (size_t)(blank - data - 7)) : NULL;
        cJSON *delta = cJSON_GetObjectItemCaseSensitive(event, "delta");
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(delta, "text"));
        bytes += text ? strlen(text) : 0;
        cJSON_Delete(event);
        at = blank + 2;
    }
    values[0] = events_a_second(start);
    if (j->bytes && bytes != j->bytes) {
        (void)cause_set(why, STATUS_INVALID, "the control found %zu bytes of %zu", bytes, j->bytes);
        return false;
    }
    return true;
}

int main(int argc, char **argv) {
    static const struct bench_figure figures[] = {
        {.name = "decode_events",
         .what = "events framed and decoded a CPU second; control: cJSON an event and nothing else",
         .unit = "events/s",
         .kind = BENCH_RATIO_MIN,
         .goal = 0.7},
        {.name = "framing_events",
         .what = "events framed a CPU second, without decoding",
         .unit = "million/s",
         .kind = BENCH_REPORTED,
         .alone = true},
        {.name = "framing_allocations",
         .what = "allocations of framing 20,000 events",
         .unit = "allocations",
         .kind = BENCH_MAX,
         .goal = 0,
         .alone = true,
         .exact = true},
    };
    struct job j = {.bytes = 0};
    bench_begin(argc, argv);
    make_stream(&j.stream);
    bench_run(&(struct bench_case){.figures = figures,
                                   .n = ARRAY_LEN(figures),
                                   .subject = subject,
                                   .control = control,
                                   .arg = &j});
    buf_free(&j.stream);
    return bench_end();
}
