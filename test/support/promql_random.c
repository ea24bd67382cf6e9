#include "support/promql_random.h"

#include "base/assert.h"

enum { DEPTH = 3, POINTS = 180, STEP_MS = 10000 };

uint64_t nv_dice_roll(struct nv_dice *dice, uint64_t n)
{
    dice->state = dice->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (dice->state >> 33) % n;
}

#define ONE_OF(dice, list) ((list)[nv_dice_roll(dice, sizeof(list) / sizeof((list)[0]))])

static const char *const selectors[] = {"a_total",
                                        "a_total{x=\"1\"}",
                                        "a_total{x!=\"1\"}",
                                        "b",
                                        "b{y=~\"p|q\"}",
                                        "{x=~\"1|2\"}",
                                        "c",
                                        "none",
                                        "b{x=\"3\"}",
                                        "{__name__=~\"b|c\"}",
                                        "a_total{y=\"\"}"};
static const char *const more_selectors[] = {"h", "h{x=\"1\"}", "{__name__=~\"h|b\"}", "n",
                                             "h{x!=\"2\"}"};
static const char *const whens[] = {
    "", "", "", "", "", " offset 1m", " offset -30s", " @ 600", " @ 900 offset 2m"};
static const char *const lengths[] = {"1m", "5m", "45s", "10s", "2m30s", "12m"};
static const char *const labels[] = {"(x)", "(y)", "(x, y)", "()", "(__name__)", "(z)"};
static const char *const sums[] = {"sum", "avg",   "count",  "min",
                                   "max", "group", "stddev", "stdvar"};
static const char *const ranged[] = {"rate",
                                     "increase",
                                     "delta",
                                     "irate",
                                     "idelta",
                                     "resets",
                                     "changes",
                                     "sum_over_time",
                                     "avg_over_time",
                                     "min_over_time",
                                     "max_over_time",
                                     "count_over_time",
                                     "last_over_time",
                                     "first_over_time",
                                     "stddev_over_time",
                                     "stdvar_over_time",
                                     "present_over_time",
                                     "deriv",
                                     "absent_over_time"};
static const char *const more_ranged[] = {"mad_over_time", "ts_of_max_over_time",
                                          "ts_of_min_over_time", "ts_of_last_over_time",
                                          "ts_of_first_over_time"};
static const char *const plain[] = {"abs", "ceil", "floor", "exp",       "sqrt",
                                    "sgn", "ln",   "deg",   "timestamp", "hour"};
static const char *const more_plain[] = {"histogram_count", "histogram_sum", "histogram_avg",
                                         "histogram_stddev"};
static const char *const arithmetic[] = {"+", "-", "*", "/", "%", "^"};
static const char *const comparisons[] = {"==", "!=", "<", "<=", ">", ">="};
static const char *const numbers[] = {"0", "1", "2.5", "-3", "100", "NaN", "Inf", "0.5"};

static void vector(struct nv_dice *dice, struct nv_buf *out, unsigned depth);

static void selector(struct nv_dice *dice, struct nv_buf *out, bool range)
{
    bool more = !dice->floats && nv_dice_roll(dice, 2);

    nv_buf_text(out, more ? ONE_OF(dice, more_selectors) : ONE_OF(dice, selectors));
    if (range)
        nv_buf_printf(out, "[%s]", ONE_OF(dice, lengths));
    nv_buf_text(out, ONE_OF(dice, whens));
}

static void scalar(struct nv_dice *dice, struct nv_buf *out, unsigned depth)
{
    switch (nv_dice_roll(dice, depth ? 5 : 3)) {
    case 0:
        nv_buf_text(out, "time()");
        return;
    case 3:
        nv_buf_text(out, "scalar(");
        vector(dice, out, depth - 1);
        nv_buf_char(out, ')');
        return;
    case 4:
        nv_buf_char(out, '(');
        scalar(dice, out, depth - 1);
        nv_buf_printf(out, " %s ", ONE_OF(dice, arithmetic));
        scalar(dice, out, depth - 1);
        nv_buf_char(out, ')');
        return;
    default:
        nv_buf_text(out, ONE_OF(dice, numbers));
    }
}

static void matrix(struct nv_dice *dice, struct nv_buf *out, unsigned depth)
{
    if (!depth || nv_dice_roll(dice, 3)) {
        selector(dice, out, true);
        return;
    }
    nv_buf_char(out, '(');
    vector(dice, out, depth - 1);
    nv_buf_printf(out, ")[%s:%s]%s", ONE_OF(dice, lengths), nv_dice_roll(dice, 2) ? "20s" : "45s",
                  ONE_OF(dice, whens));
}

static void over_range(struct nv_dice *dice, struct nv_buf *out, unsigned depth)
{
    uint64_t which = nv_dice_roll(dice, 8);

    if (which == 0) {
        nv_buf_text(out, "quantile_over_time(0.7, ");
    } else if (which == 1) {
        nv_buf_text(out, "predict_linear(");
        matrix(dice, out, depth);
        nv_buf_text(out, ", 60)");
        return;
    } else {
        bool more = !dice->floats && nv_dice_roll(dice, 4) == 0;
        nv_buf_printf(out, "%s(", more ? ONE_OF(dice, more_ranged) : ONE_OF(dice, ranged));
    }
    matrix(dice, out, depth);
    nv_buf_char(out, ')');
}

static void aggregation(struct nv_dice *dice, struct nv_buf *out, unsigned depth)
{
    static const char *const chosen[] = {"topk", "bottomk", "quantile", "limitk"};
    bool parameter = nv_dice_roll(dice, 4) == 0;
    const char *name = parameter ? ONE_OF(dice, chosen) : ONE_OF(dice, sums);

    nv_buf_text(out, name);
    if (nv_dice_roll(dice, 3))
        nv_buf_printf(out, " %s %s ", nv_dice_roll(dice, 2) ? "by" : "without",
                      ONE_OF(dice, labels));
    nv_buf_char(out, '(');
    if (parameter)
        nv_buf_text(out, name[0] == 'q' ? "0.3, " : nv_dice_roll(dice, 2) ? "1, " : "2, ");
    if (parameter && name[0] != 'q')
        selector(dice, out,
                 false); /* whose order is the same at every step, which decides between equals */
    else
        vector(dice, out, depth);
    nv_buf_char(out, ')');
}

/* A sum of the text that is there already: what stands twice may be evaluated once. */
static void again(struct nv_dice *dice, struct nv_buf *out, size_t at, size_t n)
{
    NV_AUTO_BUF copy = NV_BUF(1 << 16);

    nv_buf_add(&copy, out->p + at, n);
    nv_buf_printf(out, "%s by (x) (", ONE_OF(dice, sums));
    nv_buf_printf(out, "%.*s or vector(1))", (int)copy.n, copy.p);
}

static void binary(struct nv_dice *dice, struct nv_buf *out, unsigned depth)
{
    static const char *const sets[] = {"and", "or", "unless"};
    uint64_t kind = nv_dice_roll(dice, 4);

    nv_buf_char(out, '(');
    size_t left = out->n;
    if (kind == 3 && nv_dice_roll(dice, 2))
        scalar(dice, out, depth);
    else
        vector(dice, out, depth), kind = kind == 3 ? 4 : kind;
    size_t n_left = out->n - left;
    nv_buf_printf(out, " %s",
                  kind == 0               ? ONE_OF(dice, sets)
                  : nv_dice_roll(dice, 2) ? ONE_OF(dice, arithmetic)
                                          : ONE_OF(dice, comparisons));
    if (kind != 0 && nv_dice_roll(dice, 3) == 0 && strchr("=!<>", out->p[out->n - 1]))
        nv_buf_text(out, " bool");
    if (kind < 3 && nv_dice_roll(dice, 2)) {
        nv_buf_printf(out, " %s %s", nv_dice_roll(dice, 2) ? "on" : "ignoring",
                      ONE_OF(dice, labels));
        if (kind != 0 && nv_dice_roll(dice, 2))
            nv_buf_printf(out, " %s ()", nv_dice_roll(dice, 2) ? "group_left" : "group_right");
    }
    nv_buf_char(out, ' ');
    if (kind == 4)
        scalar(dice, out, depth);
    else if (kind != 3 && nv_dice_roll(dice, 4) == 0)
        again(dice, out, left, n_left);
    else
        vector(dice, out, depth);
    nv_buf_char(out, ')');
}

static void call(struct nv_dice *dice, struct nv_buf *out, unsigned depth)
{
    bool more = !dice->floats && nv_dice_roll(dice, 2);

    switch (nv_dice_roll(dice, 6)) {
    case 0:
        nv_buf_text(out, "label_replace(");
        vector(dice, out, depth);
        nv_buf_text(out, ", \"w\", \"$1\", \"x\", \"(.).*\")");
        return;
    case 1:
        nv_buf_text(out, "clamp_max(");
        vector(dice, out, depth);
        nv_buf_text(out, ", 50)");
        return;
    case 2:
        nv_buf_text(out, "absent(");
        break;
    case 3:
        nv_buf_text(out, "vector(");
        scalar(dice, out, depth);
        nv_buf_char(out, ')');
        return;
    default:
        nv_buf_printf(out, "%s(", more ? ONE_OF(dice, more_plain) : ONE_OF(dice, plain));
    }
    vector(dice, out, depth);
    nv_buf_char(out, ')');
}

static void vector(struct nv_dice *dice, struct nv_buf *out, unsigned depth)
{
    uint64_t which = depth ? nv_dice_roll(dice, 8) : 0;

    switch (which) {
    case 0:
        selector(dice, out, false);
        return;
    case 1:
    case 2:
        over_range(dice, out, depth - 1);
        return;
    case 3:
    case 4:
        aggregation(dice, out, depth - 1);
        return;
    case 5:
        call(dice, out, depth - 1);
        return;
    case 6:
        nv_buf_char(out, '-');
        selector(dice, out, false);
        return;
    default:
        binary(dice, out, depth - 1);
    }
}

void nv_random_expression(struct nv_dice *dice, struct nv_buf *out)
{
    vector(dice, out, 1 + (unsigned)nv_dice_roll(dice, DEPTH));
}

static void load(struct nv_memory_series *memory, const struct nv_buf *line)
{
    struct nv_arena arena = NV_ARENA(16 << 20);
    struct nv_points points;

    nv_assert(nv_points_parse(nv_buf_view(line), true, &arena, &points) == 0);
    nv_memory_series_load(memory, &points, STEP_MS, NULL);
    nv_arena_done(&arena);
}

/* A gap or a marker now and then. Returns whether there was one. */
static bool missing(struct nv_dice *dice, struct nv_buf *line)
{
    uint64_t roll = nv_dice_roll(dice, 40);

    if (roll == 0)
        nv_buf_text(line, "stale ");
    else if (roll == 1)
        nv_buf_printf(line, "_x%u ", (unsigned)nv_dice_roll(dice, 12) + 1);
    else if (roll < 5)
        nv_buf_text(line, "_ ");
    return roll < 5;
}

static void floats(struct nv_dice *dice, struct nv_memory_series *memory, const char *name,
                   bool counter)
{
    NV_AUTO_BUF line = NV_BUF(1 << 16);
    double value = 0;

    nv_buf_printf(&line, "%s ", name);
    for (int i = 0; i < POINTS; i++) {
        uint64_t roll = nv_dice_roll(dice, 30);
        if (missing(dice, &line))
            continue;
        if (counter)
            value = roll == 0 ? 0 : value + (double)nv_dice_roll(dice, 50) / 8;
        else if (roll > 8)
            value = (double)nv_dice_roll(dice, 2000) / 16 - 60;
        if (!counter && roll == 0)
            nv_buf_text(&line, nv_dice_roll(dice, 2) ? "NaN " : "Inf ");
        else
            nv_buf_printf(&line, "%.17g ", value);
    }
    load(memory, &line);
}

static void histograms(struct nv_dice *dice, struct nv_memory_series *memory, const char *name,
                       const char *kind)
{
    NV_AUTO_BUF line = NV_BUF(1 << 18);
    unsigned a = 1, b = 1;

    nv_buf_printf(&line, "%s ", name);
    for (int i = 0; i < POINTS; i++) {
        if (missing(dice, &line))
            continue;
        if (nv_dice_roll(dice, 30) == 0)
            a = b = 0;
        a += (unsigned)nv_dice_roll(dice, 5);
        b += (unsigned)nv_dice_roll(dice, 3);
        nv_buf_printf(&line, "{{%s count:%u sum:%u buckets:[%u %u]}} ", kind, a + b, a + 3 * b, a,
                      b);
    }
    load(memory, &line);
}

void nv_random_series(struct nv_dice *dice, struct nv_memory_series *memory)
{
    floats(dice, memory, "a_total{x=\"1\",y=\"p\"}", true);
    floats(dice, memory, "a_total{x=\"2\",y=\"q\"}", true);
    floats(dice, memory, "a_total{x=\"3\"}", true);
    floats(dice, memory, "b{x=\"1\",y=\"p\"}", false);
    floats(dice, memory, "b{x=\"2\",y=\"p\"}", false);
    floats(dice, memory, "b{x=\"3\",y=\"q\"}", false);
    floats(dice, memory, "c{x=\"1\"}", false);
    if (dice->floats)
        return;
    histograms(dice, memory, "h{x=\"1\",y=\"p\"}", "schema:1");
    histograms(dice, memory, "h{x=\"2\",y=\"q\"}", "schema:0 offset:1");
    histograms(dice, memory, "h{x=\"3\"}", "schema:0 counter_reset_hint:gauge");
    histograms(dice, memory, "n{x=\"1\"}", "schema:-53 custom_values:[1 2]");
}
