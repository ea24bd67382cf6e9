/*
 * codec_ratio.c - what the codecs make of a recording: bytes per sample by codec and by family, and how fast.
 *
 *   zstd -dc --long=27 RECORD.om.zst | codec_ratio [families to list]
 *
 * Reads OpenMetrics text with timestamps, one series after another. A column may use one of the 16 before it
 * that have none themselves as its base. Times are CPU time. Build it with CMAKE_BUILD_TYPE=Release.
 */
#include <stdio.h>
#include <time.h>

#include "base/assert.h"
#include "tsdb/codec.h"

enum {
    SERIES_MAX = 1 << 16,
    NAME_MAX_BYTES = 512,
    LINE_MAX_BYTES = 1 << 16,
    KINDS = 16,
    BASES = 16,
    TRIVIAL = 16
};

struct series {
    char name[NAME_MAX_BYTES]; /* with labels */
    double *values;
    size_t n, room;
    const double *base;
    char *column;
    size_t bytes;
    double ns; /* to decode */
};

struct tally {
    char name[NAME_MAX_BYTES];
    size_t bytes, samples, series;
    double ns;
};

static struct series *series;
static size_t n_series;

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void add_value(const char *name, double value)
{
    struct series *s = n_series ? &series[n_series - 1] : NULL;

    if (!s || strncmp(s->name, name, NAME_MAX_BYTES - 1) != 0) {
        nv_assert(n_series < SERIES_MAX);
        s = &series[n_series++];
        snprintf(s->name, sizeof(s->name), "%.*s", NAME_MAX_BYTES - 1, name);
    }
    if (s->n == s->room) {
        s->room = s->room ? 2 * s->room : 1024;
        s->values = nv_must(realloc(s->values, s->room * sizeof(double)));
    }
    if (s->n < NV_CODEC_ROWS_MAX)
        s->values[s->n++] = value;
}

static void read_record(void)
{
    static char line[LINE_MAX_BYTES];

    while (fgets(line, sizeof(line), stdin)) {
        if (line[0] == '#' || line[0] == '\n')
            continue;
        char *labels = strchr(line, '{'), *blank = strchr(line, ' ');
        if (labels && labels < blank) {
            char *close = strrchr(line, '}');
            blank = close ? close + 1 : NULL;
        }
        if (!blank)
            continue;
        *blank = '\0';
        add_value(line, strtod(blank + 1, NULL));
    }
}

/* Encodes all; returns ns. */
static double encode(struct nv_codec *codec, enum nv_codec_effort effort)
{
    NV_AUTO_BUF out = NV_BUF(16 << 20);
    double from = now_ns();

    for (size_t i = 0; i < n_series; i++) {
        struct series *s = &series[i];
        bool used = false;
        const double *bases[BASES];
        size_t n_bases = 0;
        for (size_t k = i; k-- > 0 && n_bases < BASES && effort == NV_CODEC_SMALL;) {
            if (series[k].n == s->n && !series[k].base && series[k].bytes > TRIVIAL)
                bases[n_bases++] = series[k].values;
        }
        int at = nv_codec_choose_base(codec, s->values, s->n, bases, n_bases);
        s->base = at < 0 ? NULL : bases[at];
        nv_buf_reset(&out);
        nv_assert(nv_codec_encode(codec, effort, s->values, s->n, s->base, &used, &out) == 0);
        if (!used)
            s->base = NULL;
        free(s->column);
        s->column = nv_must(malloc(out.n));
        s->bytes = out.n;
        memcpy(s->column, out.p, out.n);
    }
    return now_ns() - from;
}

static double decode(struct nv_codec *codec)
{
    static double back[NV_CODEC_ROWS_MAX];
    double all = 0;

    for (size_t i = 0; i < n_series; i++) {
        struct series *s = &series[i];
        s->ns = 1e18;
        for (int round = 0; round < 5; round++) {
            double from = now_ns();
            nv_assert(nv_codec_decode(codec, (struct nv_str){s->column, s->bytes}, s->base, back,
                                      s->n) == 0);
            double took = now_ns() - from;
            s->ns = took < s->ns ? took : s->ns;
        }
        nv_assert(memcmp(back, s->values, s->n * sizeof(double)) == 0);
        all += s->ns;
    }
    return all;
}

static void count(struct tally *tallies, size_t *n, const char *name, size_t length,
                  const struct series *s)
{
    size_t i = 0;

    for (; i < *n; i++) {
        if (strlen(tallies[i].name) == length && memcmp(tallies[i].name, name, length) == 0)
            break;
    }
    if (i == *n) {
        snprintf(tallies[i].name, sizeof(tallies[i].name), "%.*s", (int)length, name);
        ++*n;
    }
    tallies[i].bytes += s->bytes;
    tallies[i].samples += s->n;
    tallies[i].series++;
    tallies[i].ns += s->ns;
}

static int by_bytes(const void *a, const void *b)
{
    const struct tally *x = a, *y = b;

    return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

static void print(struct tally *tallies, size_t n, size_t most)
{
    qsort(tallies, n, sizeof(*tallies), by_bytes);
    for (size_t i = 0; i < n && i < most; i++)
        printf("  %-60.60s %5zu series %9zu samples %8zu bytes %7.3f B/sample %6.1f ns\n",
               tallies[i].name, tallies[i].series, tallies[i].samples, tallies[i].bytes,
               (double)tallies[i].bytes / (double)tallies[i].samples,
               tallies[i].ns / (double)tallies[i].samples);
}

static void report(struct nv_codec *codec, enum nv_codec_effort effort, size_t n_listed)
{
    static struct tally kinds[KINDS], families[SERIES_MAX];
    size_t n_kinds = 0, n_families = 0, bytes = 0, samples = 0;
    double encoding = encode(codec, effort), decoding = decode(codec);

    memset(kinds, 0, sizeof(kinds));
    memset(families, 0, sizeof(families));
    for (size_t i = 0; i < n_series; i++) {
        const struct series *s = &series[i];
        const char *kind = nv_codec_name((struct nv_str){s->column, s->bytes});
        count(kinds, &n_kinds, kind, strlen(kind), s);
        count(families, &n_families, s->name, strcspn(s->name, "{"), s);
        bytes += s->bytes;
        samples += s->n;
    }
    printf("%s: %zu series, %zu samples, %zu bytes, %.4f B/sample, "
           "encode %.1f ns/sample, decode %.2f ns/sample\n",
           effort == NV_CODEC_FAST ? "FAST" : "SMALL", n_series, samples, bytes,
           (double)bytes / (double)samples, encoding / (double)samples, decoding / (double)samples);
    print(kinds, n_kinds, n_kinds);
    print(families, n_families, n_listed);
}

int main(int argc, char **argv)
{
    NV_AUTO(nv_codec) *codec = nv_must(nv_codec_new());
    size_t n_listed = argc > 1 ? (size_t)strtoul(argv[1], NULL, 10) : 0;

    series = nv_must(calloc(SERIES_MAX, sizeof(*series)));
    read_record();
    report(codec, NV_CODEC_FAST, 0);
    report(codec, NV_CODEC_SMALL, n_listed);
    for (size_t i = 0; i < n_series; i++) {
        free(series[i].values);
        free(series[i].column);
    }
    free(series);
    return 0;
}
