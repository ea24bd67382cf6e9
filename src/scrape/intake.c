#include "scrape/intake.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/clock.h"
#include "scrape/intake_parts.h"

enum {
    WORK_MAX = 16 << 20,    /* bytes for one new series, or one histogram */
    NATIVE_MAX = 128 << 20, /* bytes of native histograms in a scrape */
    NAMES_MAX = 4 << 20,
    CARRY_KEPT = 64 << 10, /* bytes of the carry that are kept between scrapes */
    SPARE_LINES = 1024,    /* absent ones that may be, beyond as many as are there */
};

/* ---- failures ------------------------------------------------------------------------------- */

int nv_intake_refuse(struct nv_intake *intake, const char *format, ...)
{
    va_list arguments;

    if (intake->failed)
        return intake->failed;
    va_start(arguments, format);
    vsnprintf(intake->told.error, sizeof(intake->told.error), format, arguments);
    va_end(arguments);
    intake->failed = -EBADMSG;
    return -EBADMSG;
}

int nv_intake_no_memory(struct nv_intake *intake)
{
    nv_intake_refuse(intake, "out of memory");
    intake->failed = -ENOMEM;
    return -ENOMEM;
}

/* ---- life ----------------------------------------------------------------------------------- */

static int keep_labels(struct nv_intake *intake, const struct nv_intake_options *options)
{
    intake->labels =
        nv_arena_alloc(&intake->names, (options->n_labels + 1) * sizeof(struct nv_label));
    if (!intake->labels)
        return -ENOMEM;
    for (size_t i = 0; i < options->n_labels; i++) {
        struct nv_label label = options->labels[i];
        if (nv_str_starts(label.name, "__") || !label.value.n)
            continue;
        label.name = nv_arena_str(&intake->names, label.name);
        label.value = nv_arena_str(&intake->names, label.value);
        if (!label.name.p || !label.value.p)
            return -ENOMEM;
        intake->labels[intake->n_labels++] = label;
    }
    return 0;
}

static int init(struct nv_intake *intake, const struct nv_intake_options *options)
{
    intake->scrape = options->scrape;
    intake->sparse = options->sparse;
    intake->user = options->user;
    intake->names = NV_ARENA(NAMES_MAX);
    intake->work = NV_ARENA(WORK_MAX);
    intake->scratch = NV_ARENA(WORK_MAX);
    intake->native = NV_ARENA(NATIVE_MAX);
    intake->told_memory = NV_ARENA(NAMES_MAX);
    intake->reader.memory = NV_ARENA(2 * NV_INTAKE_LINE_MAX);
    intake->carry = NV_BUF(NV_INTAKE_MESSAGE_MAX);
    intake->family = NV_INTAKE_NO_FAMILY;
    intake->pool = nv_frame_pool_new();
    intake->registry = nv_registry_new_lean(!options->scrape->expose);
    if (!intake->pool || !intake->registry)
        return -ENOMEM;
    int r = nv_lines_init(&intake->lines);
    if (r == 0)
        r = keep_labels(intake, options);
    if (r == 0)
        r = nv_intake_set_targets(intake, intake->registry);
    return r < 0 ? r : nv_intake_add_report(intake);
}

struct nv_intake *nv_intake_new(const struct nv_intake_options *options)
{
    NV_AUTO(nv_intake) *intake = calloc(1, sizeof(*intake));

    if (!intake || init(intake, options) < 0)
        return NULL;
    return nv_take(intake);
}

void nv_intake_free(struct nv_intake *intake)
{
    if (!intake)
        return;
    if (intake->exposed)
        nv_frame_unref(intake->exposed);
    nv_intake_own_done(intake);
    nv_intake_told_done(intake);
    nv_lines_done(&intake->lines);
    nv_registry_free(intake->registry);
    nv_frame_pool_free(intake->pool);
    free(intake->values);
    free(intake->present);
    free(intake->histograms);
    free(intake->own_ms);
    nv_buf_done(&intake->carry);
    nv_arena_done(&intake->reader.memory);
    nv_arena_done(&intake->work);
    nv_arena_done(&intake->scratch);
    nv_arena_done(&intake->native);
    nv_arena_done(&intake->names);
    free(intake);
}

void nv_intake_apply(struct nv_intake *intake, const struct nv_config_scrape *scrape)
{
    nv_assert(!intake->going);
    bool shows = scrape->expose, showed = intake->scrape->expose;
    intake->scrape = scrape;
    if (shows != showed)
        nv_intake_begin_anew(intake);
    else
        nv_lines_clear(&intake->lines);
}

/* ---- a scrape ------------------------------------------------------------------------------- */

static void forget_values(struct nv_intake *intake)
{
    if (intake->room)
        memset(intake->present, 0, intake->room / 8);
    intake->n_pending = 0;
    intake->any_histogram = false;
    free(intake->own_ms);
    intake->own_ms = NULL;
    nv_arena_reset(&intake->native);
}

static void start(struct nv_intake *intake, int64_t time_ms)
{
    intake->scrape_number++;
    intake->time_ms = time_ms;
    intake->latest_ms = time_ms + NV_INTAKE_AHEAD_MS;
    intake->failed = 0;
    intake->form = NV_INTAKE_UNDECIDED;
    intake->ended = false;
    intake->honors = intake->scrape->honor_timestamps && intake->sparse;
    intake->attempts = 0;
    intake->family = NV_INTAKE_NO_FAMILY;
    intake->type = NULL;
    intake->told = (struct nv_intake_told){0};
    nv_buf_reset(&intake->carry);
    intake->n_lines_before = intake->lines.n;
    nv_lines_rewind(&intake->lines);
    forget_values(intake);
}

void nv_intake_begin(struct nv_intake *intake, struct nv_str content_type, int64_t time_ms)
{
    size_t n = sizeof(intake->content_type) - 1;

    nv_assert(!intake->going);
    start(intake, time_ms);
    intake->going = true;
    if (n > content_type.n)
        n = content_type.n;
    if (n)
        memcpy(intake->content_type, content_type.p, n);
    intake->content_type[n] = '\0';
}

static int line_too_long(struct nv_intake *intake)
{
    return nv_intake_refuse(intake, "a line is longer than %d bytes", NV_INTAKE_LINE_MAX);
}

/* What came before, up to the first newline here, is a line. */
static int carried_line(struct nv_intake *intake, const char **p, size_t *n)
{
    const char *newline = memchr(*p, '\n', *n);
    size_t take = newline ? (size_t)(newline - *p) + 1 : *n;

    if (intake->carry.n + take > NV_INTAKE_LINE_MAX)
        return line_too_long(intake);
    nv_buf_add(&intake->carry, *p, take);
    if (intake->carry.failed)
        return nv_intake_no_memory(intake);
    *p += take;
    *n -= take;
    if (!newline)
        return 0;
    int r = nv_intake_lines(intake, intake->carry.p, intake->carry.p + intake->carry.n);
    nv_buf_reset(&intake->carry);
    return r;
}

static int feed_text(struct nv_intake *intake, const char *p, size_t n)
{
    int r = intake->carry.n ? carried_line(intake, &p, &n) : 0;

    if (r < 0 || n == 0)
        return r;
    const char *last = memrchr(p, '\n', n);
    size_t whole = last ? (size_t)(last - p) + 1 : 0;
    if (whole)
        r = nv_intake_lines(intake, p, p + whole);
    if (r < 0)
        return r;
    if (n - whole > NV_INTAKE_LINE_MAX)
        return line_too_long(intake);
    nv_buf_add(&intake->carry, p + whole, n - whole);
    return intake->carry.failed ? nv_intake_no_memory(intake) : 0;
}

static int body_too_large(struct nv_intake *intake)
{
    nv_intake_refuse(intake, "body size limit exceeded");
    intake->failed = -EFBIG;
    intake->told.samples = intake->told.kept = intake->told.added = 0; /* as if there was none */
    intake->told.body_too_large = true;
    return -EFBIG;
}

/* The last line may lack its newline. */
static int end_text(struct nv_intake *intake)
{
    int r = 0;

    if (intake->form == NV_INTAKE_OPENMETRICS && intake->carry.n &&
        !nv_str_is(nv_buf_view(&intake->carry), "# EOF"))
        return nv_intake_refuse(intake, "data does not end with # EOF");
    if (intake->carry.n) {
        nv_buf_char(&intake->carry, '\n');
        r = intake->carry.failed
                ? nv_intake_no_memory(intake)
                : nv_intake_lines(intake, intake->carry.p, intake->carry.p + intake->carry.n);
    }
    if (r == 0 && intake->form == NV_INTAKE_OPENMETRICS && !intake->ended)
        r = nv_intake_refuse(intake, "data does not end with # EOF");
    return r;
}

static void give_back_room(struct nv_intake *intake)
{
    if (intake->carry.size > CARRY_KEPT) {
        nv_buf_done(&intake->carry);
        intake->carry = NV_BUF(NV_INTAKE_MESSAGE_MAX);
    }
    if (intake->work.total > CARRY_KEPT)
        nv_arena_done(&intake->work);
    if (intake->scratch.total > CARRY_KEPT)
        nv_arena_done(&intake->scratch);
    if (intake->reader.memory.total > CARRY_KEPT)
        nv_arena_done(&intake->reader.memory);
}

/* A body that failed may have brought more than is worth remembering: lines, or series beyond sample_limit, which have no
 * lines. */
static void forget_a_bad_body(struct nv_intake *intake)
{
    uint32_t before = intake->n_lines_before, n = intake->lines.n;

    if (n > 2 * before + SPARE_LINES)
        nv_intake_forget_lines(intake, before);
    else if (nv_registry_n_series(intake->registry) > 2 * (size_t)n + SPARE_LINES)
        nv_intake_forget_lines(intake, n);
}

static void settle_failure(struct nv_intake *intake)
{
    intake->going = false;
    if (intake->last_good)
        intake->told_ms = intake->time_ms; /* that what was there is stale */
    forget_values(intake);
    nv_intake_own_stale(intake);
    forget_a_bad_body(intake);
    give_back_room(intake);
}

/* Lines that were not there make room, once they are many. */
static void forget_lines(struct nv_intake *intake)
{
    size_t seen = 0;

    for (uint32_t i = 1; i < intake->lines.n; i++)
        seen += intake->lines.at[i].seen == intake->scrape_number;
    if (intake->lines.n > 2 * seen + SPARE_LINES &&
        nv_lines_keep(&intake->lines, intake->scrape_number) == 0)
        nv_intake_told_renew(intake);
}

static void settle(struct nv_intake *intake)
{
    intake->going = false;
    intake->told_ms = intake->time_ms;
    nv_intake_give_out(intake);
    nv_intake_own_stale(intake);
    intake->n_there = intake->n_own_there = 0;
    for (size_t i = 0; i < intake->room / 64; i++)
        intake->n_there += (size_t)__builtin_popcountll(intake->present[i]);
    for (size_t i = 0; intake->own_registry && i < nv_registry_n_series(intake->own_registry); i++)
        intake->n_own_there += intake->own[i].seen == intake->scrape_number;
    if (intake->told.body_bytes) { /* an empty answer is no reason to forget anything */
        intake->last_good = intake->scrape_number;
        forget_lines(intake);
    }
    give_back_room(intake);
}

int nv_intake_feed(struct nv_intake *intake, const char *p, size_t n)
{
    int64_t limit = intake->scrape->limits.body_size;
    int r = 0;

    if (intake->failed || n == 0)
        return intake->failed;
    nv_assert(intake->going);
    intake->told.body_bytes += n;
    if (limit > 0 && intake->told.body_bytes >= (uint64_t)limit)
        r = body_too_large(intake);
    if (r == 0 && intake->form == NV_INTAKE_UNDECIDED)
        r = nv_intake_choose(intake);
    if (r == 0)
        r = intake->form == NV_INTAKE_PROTO ? nv_intake_proto(intake, p, n)
                                            : feed_text(intake, p, n);
    if (r == -ENOMEM)
        nv_intake_no_memory(intake);
    if (r < 0)
        settle_failure(intake);
    return r < 0 ? intake->failed : 0;
}

int nv_intake_end(struct nv_intake *intake)
{
    int r = 0;

    if (intake->failed)
        return intake->failed;
    nv_assert(intake->going);
    if (intake->form == NV_INTAKE_PROTO)
        r = nv_intake_proto_end(intake);
    else if (r == 0 && intake->form != NV_INTAKE_UNDECIDED)
        r = end_text(intake);
    if (r == -ENOMEM)
        nv_intake_no_memory(intake);
    if (r == 0 && intake->scrape->limits.samples > 0 &&
        intake->attempts > (uint64_t)intake->scrape->limits.samples) {
        intake->told.sample_limit = true;
        r = nv_intake_refuse(intake, "sample limit exceeded");
    }
    if (r == 0)
        settle(intake);
    else
        settle_failure(intake);
    return r < 0 ? intake->failed : 0;
}

void nv_intake_fail(struct nv_intake *intake, int64_t time_ms, const char *why)
{
    char error[NV_INTAKE_ERROR_MAX];

    snprintf(error, sizeof(error), "%s", why); /* which may be what was told before */
    if (!intake->going)
        start(intake, time_ms);
    intake->told = (struct nv_intake_told){
        .body_too_large = intake->told.body_too_large,
        .label_limit = intake->told.label_limit,
    };
    intake->failed = 0;
    nv_intake_refuse(intake, "%s", error);
    settle_failure(intake);
}

void nv_intake_abandon(struct nv_intake *intake)
{
    if (!intake->going)
        return;
    intake->going = false;
    intake->failed = -ECANCELED;
    forget_values(intake);
    give_back_room(intake);
}

const struct nv_intake_told *nv_intake_told(const struct nv_intake *intake)
{
    return &intake->told;
}

size_t nv_intake_n_series(const struct nv_intake *intake)
{
    return nv_registry_n_series(intake->registry) - intake->n_report +
           (intake->own_registry ? nv_registry_n_series(intake->own_registry) : 0);
}

size_t nv_intake_memory(const struct nv_intake *intake)
{
    size_t bytes = sizeof(*intake) + nv_lines_memory(&intake->lines) +
                   nv_registry_memory(intake->registry) + intake->room * sizeof(double) +
                   intake->room / 8;

    bytes += intake->histograms ? intake->room * sizeof(void *) : 0;
    bytes += intake->own_registry ? nv_registry_memory(intake->own_registry) : 0;
    bytes +=
        intake->room_own * sizeof(*intake->own) + intake->room_pending * sizeof(*intake->pending);
    bytes += intake->told_memory.total + intake->room_families * sizeof(*intake->families);
    bytes += intake->metadata ? intake->metadata->bytes : 0;
    return bytes + intake->names.total + intake->native.total + intake->carry.size;
}
