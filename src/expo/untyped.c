#include "expo/untyped.h"

#include "base/number.h"
#include "expo/series.h"

/* A family, and what its samples are. */
enum kind { NONE, FLOATS, COUNTS, GAUGES };

static const struct {
    uint32_t number;
    const char *word;
} types[] = {
    [FLOATS] = {3, "UNTYPED"        },
    [COUNTS] = {4, "HISTOGRAM"      },
    [GAUGES] = {5, "GAUGE_HISTOGRAM"},
};

static const struct nv_wire_field family_name = {1, "name"}, family_type = {3, "type"},
                                  family_metric = {4, "metric"}, metric_label = {1, "label"},
                                  pair_name = {1, "name"}, pair_value = {2, "value"},
                                  metric_untyped = {5, "untyped"}, untyped_value = {1, "value"},
                                  metric_histogram = {7, "histogram"},
                                  metric_time = {6, "timestamp_ms"};

static bool is_protobuf(const struct nv_expo_untyped *u)
{
    return u->choice.form >= NV_EXPO_PROTO_DELIMITED;
}

static bool is_openmetrics(const struct nv_expo_untyped *u)
{
    return u->choice.form == NV_EXPO_OPENMETRICS_0_0_1 ||
           u->choice.form == NV_EXPO_OPENMETRICS_1_0_0;
}

void nv_expo_untyped_init(struct nv_expo_untyped *u, struct nv_expo_choice choice,
                          void (*pass_on)(void *user, struct nv_str text), void *user)
{
    *u = (struct nv_expo_untyped){.choice = choice, .pass_on = pass_on, .user = user};
    u->out = NV_BUF(NV_UNTYPED_FAMILY_MAX);
    u->name = u->shown = NV_BUF(NV_EXPO_ESCAPED_MAX);
    u->wire.out = &u->out;
    u->wire.form = choice.form == NV_EXPO_PROTO_DELIMITED ? NV_WIRE_BINARY
                   : choice.form == NV_EXPO_PROTO_TEXT    ? NV_WIRE_TEXT
                                                          : NV_WIRE_COMPACT;
}

/* Hands on what is whole. */
static void pass_on(struct nv_expo_untyped *u)
{
    if (!u->failed)
        u->failed = u->out.failed     ? u->out.failed
                    : u->shown.failed ? u->shown.failed
                                      : u->name.failed;
    if (!u->failed && u->out.n)
        u->pass_on(u->user, nv_buf_view(&u->out));
    nv_buf_reset(&u->out);
}

static void end_family(struct nv_expo_untyped *u)
{
    if (u->kind != NONE && is_protobuf(u))
        nv_wire_end(&u->wire, u->mark);
    pass_on(u);
    u->kind = NONE;
}

static void begin_family(struct nv_expo_untyped *u, struct nv_str name, enum kind kind)
{
    u->kind = kind;
    nv_buf_reset(&u->name);
    nv_buf_str(&u->name, name);
    nv_buf_reset(&u->shown);
    nv_expo_metric_name(&u->shown, name, u->choice.escaping);
    if (is_protobuf(u)) {
        u->mark = nv_wire_begin(&u->wire);
        nv_wire_str(&u->wire, family_name, nv_buf_view(&u->shown));
        nv_wire_enum(&u->wire, family_type, types[kind].number, types[kind].word);
        return;
    }
    nv_buf_text(&u->out, "# TYPE ");
    nv_expo_quoted(&u->out, nv_buf_view(&u->shown));
    nv_buf_text(&u->out, is_openmetrics(u) ? " unknown\n" : " untyped\n");
}

static void add_text(struct nv_expo_untyped *u, const struct nv_series *series, double value,
                     int64_t time_ms)
{
    static const struct nv_label none;
    char text[NV_NUMBER_MAX];
    bool openmetrics = is_openmetrics(u);

    nv_expo_series(&u->out, nv_buf_view(&u->shown), "", series, series->n_labels, none,
                   u->choice.escaping);
    nv_buf_add(&u->out, text,
               openmetrics ? nv_number_openmetrics(text, value) : nv_number_text(text, value));
    if (openmetrics) {
        nv_buf_char(&u->out, ' ');
        nv_buf_add(&u->out, text, nv_number_openmetrics(text, (double)time_ms / 1000));
        nv_buf_char(&u->out, '\n');
    } else {
        nv_buf_printf(&u->out, " %lld\n", (long long)time_ms);
    }
}

static void add_labels(struct nv_expo_untyped *u, const struct nv_series *series)
{
    NV_AUTO_BUF escaped = NV_BUF(NV_EXPO_ESCAPED_MAX);

    for (size_t i = 0; i < series->n_labels; i++) {
        size_t mark = nv_wire_open(&u->wire, metric_label);
        nv_buf_reset(&escaped);
        nv_expo_label_name(&escaped, series->labels[i].name, u->choice.escaping);
        nv_wire_str(&u->wire, pair_name, nv_buf_view(&escaped));
        nv_wire_str(&u->wire, pair_value, series->labels[i].value);
        nv_wire_close(&u->wire, mark);
    }
    if (escaped.failed)
        u->out.failed = escaped.failed;
}

static void add_message(struct nv_expo_untyped *u, const struct nv_series *series, double value,
                        const struct nv_histogram *histogram, int64_t time_ms)
{
    size_t metric = nv_wire_open(&u->wire, family_metric);

    add_labels(u, series);
    size_t mark = nv_wire_open(&u->wire, histogram ? metric_histogram : metric_untyped);
    if (histogram)
        nv_expo_protobuf_native(&u->wire, histogram);
    else
        nv_wire_double(&u->wire, untyped_value, value);
    nv_wire_close(&u->wire, mark);
    nv_wire_i64(&u->wire, metric_time, time_ms);
    nv_wire_close(&u->wire, metric);
}

void nv_expo_untyped_add(struct nv_expo_untyped *u, struct nv_str name,
                         const struct nv_label *labels, size_t n_labels, double value,
                         const struct nv_histogram *histogram, int64_t time_ms)
{
    enum { PART = 32 << 10 };
    struct nv_series series = {.n_labels = (uint16_t)n_labels, .labels = labels};
    enum kind kind = !histogram                                ? FLOATS
                     : histogram->reset_hint == NV_RESET_GAUGE ? GAUGES
                                                               : COUNTS;

    if (u->failed || (histogram && !is_protobuf(u)))
        return;
    if (u->kind != kind || !nv_str_eq(nv_buf_view(&u->name), name)) {
        end_family(u);
        begin_family(u, name, kind);
    }
    if (is_protobuf(u))
        add_message(u, &series, value, histogram, time_ms);
    else
        add_text(u, &series, value, time_ms);
    if (u->out.n >= PART && !is_protobuf(u))
        pass_on(u);
}

int nv_expo_untyped_done(struct nv_expo_untyped *u)
{
    end_family(u);
    if (is_openmetrics(u))
        nv_buf_text(&u->out, "# EOF\n");
    pass_on(u);
    nv_buf_done(&u->out);
    nv_buf_done(&u->name);
    nv_buf_done(&u->shown);
    return u->failed;
}
