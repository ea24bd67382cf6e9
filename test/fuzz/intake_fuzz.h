/*
 * intake_fuzz.h - what any body has to keep to, shared by the fuzz targets of the intake.
 *
 * The input: a byte of switches, then a body, and where it has a line "--" or a byte 0xfe alone, another. Each body is taken
 * in at once by one intake and in pieces by a second, which also remembers the bodies before; a third that remembers nothing
 * has the last word on what is in it.
 */
#ifndef NV_FUZZ_INTAKE_FUZZ_H
#define NV_FUZZ_INTAKE_FUZZ_H

#include "scrape/take_in.h"

static const char fuzz_rules[] = "scrape_configs:\n"
                                 "- job_name: j\n"
                                 "  metric_relabel_configs:\n"
                                 "  - {source_labels: [__name__], regex: drop_.*, action: drop}\n"
                                 "  - {regex: secret_.*, action: labeldrop}\n"
                                 "  - {source_labels: [a, b], target_label: ab}\n"
                                 "  - {regex: map_(.+), action: labelmap, replacement: $1}\n"
                                 "  - {source_labels: [__name__], regex: (.*)_old, target_label: "
                                 "__name__, replacement: \"${1}_new\"}\n"
                                 "  - {source_labels: [job], regex: gone, target_label: instance, "
                                 "replacement: \"\"}\n";

enum {
    FUZZ_HONOR_LABELS = 1,
    FUZZ_IGNORE_TIMES = 2,
    FUZZ_RULES = 4,
    FUZZ_LIMITS = 8,
    FUZZ_NATIVE = 16,
    FUZZ_CLASSIC = 32,
    FUZZ_EXPOSE = 64,
    FUZZ_TRACK = 128,
};

static inline void fuzz_taker(struct taker *t, const struct nv_config *config, unsigned char flags)
{
    taker_begin(t);
    if (flags & FUZZ_RULES)
        t->scrape = config->scrapes[0];
    t->scrape.fallback_protocol = -1;
    t->scrape.honor_labels = flags & FUZZ_HONOR_LABELS;
    t->scrape.honor_timestamps = !(flags & FUZZ_IGNORE_TIMES);
    t->scrape.scrape_native_histograms = flags & FUZZ_NATIVE;
    t->scrape.always_scrape_classic_histograms = flags & FUZZ_CLASSIC;
    t->scrape.expose = flags & FUZZ_EXPOSE;
    t->scrape.track_timestamps_staleness = flags & FUZZ_TRACK;
    if (flags & FUZZ_LIMITS)
        t->scrape.limits = (struct nv_scrape_limits){
            .samples = 5, .labels = 6, .label_name_length = 20, .label_value_length = 20};
}

/* All frames can be written in any form. */
static inline void fuzz_expose(struct taker *t)
{
    struct nv_frame *frames[NV_INTAKE_EXPOSED_MAX];
    size_t n = nv_intake_exposed(t->intake, frames);

    for (size_t i = 0; i < n; i++) {
        for (enum nv_expo_form form = NV_EXPO_TEXT_0_0_4; form <= NV_EXPO_PROTO_DELIMITED; form++) {
            const struct nv_expo_choice choice = {form, NV_ESCAPE_ALLOW_UTF8};
            NV_AUTO_BUF out = NV_BUF(TAKER_MAX);
            nv_expo_write(frames[i], choice, NULL, 0, &out);
        }
        nv_frame_unref(frames[i]);
    }
}

static inline void fuzz_same(struct taker *a, struct taker *b, int r, int s)
{
    const struct nv_intake_told *x = nv_intake_told(a->intake), *y = nv_intake_told(b->intake);

    nv_assert(r == s && (r == 0 || r == -EBADMSG) && strcmp(x->error, y->error) == 0);
    nv_assert((r == 0) == !x->error[0]);
    nv_assert(x->samples == y->samples && x->kept == y->kept);
    nv_assert(strcmp(taker_samples(a), taker_samples(b)) == 0);
    nv_assert(r == 0 || !taker_samples(a)[0]);
}

static inline void fuzz_bodies(const char *type, unsigned char flags, struct nv_str rest,
                               bool (*cut)(struct nv_str *rest, struct nv_str *body))
{
    static struct nv_config *config;
    char error[NV_YAML_ERROR_MAX];
    struct taker memory, pieces;
    struct nv_str body;

    if (!config)
        nv_assert(nv_config_parse("fuzz.yml", nv_str(fuzz_rules), &config, error) == 0);
    fuzz_taker(&memory, config, flags);
    fuzz_taker(&pieces, config, flags);
    pieces.cut = rest.n % 7 + 1;
    for (int64_t time_ms = 1000; time_ms < 9000 && cut(&rest, &body); time_ms += 1000) {
        struct taker fresh;
        fuzz_taker(&fresh, config, flags);
        int r = taker_scrape_bytes(&fresh, time_ms, type, body.p, body.n);
        fuzz_same(&fresh, &memory, r, taker_scrape_bytes(&memory, time_ms, type, body.p, body.n));
        fuzz_same(&fresh, &pieces, r, taker_scrape_bytes(&pieces, time_ms, type, body.p, body.n));
        /* A new generation forgets when those were last that are gone: from there on it is the store that refuses. */
        nv_assert(time_ms > 2000 || strcmp(taker_sparse(&memory), taker_sparse(&pieces)) == 0);
        r = taker_scrape_bytes(&memory, time_ms + 1, type, body.p, body.n);
        nv_assert(r || nv_intake_told(memory.intake)->added == 0);
        fuzz_same(&pieces, &memory, taker_scrape_bytes(&pieces, time_ms + 1, type, body.p, body.n),
                  r);
        fuzz_same(&fresh, &memory, taker_scrape_bytes(&fresh, time_ms + 1, type, body.p, body.n),
                  r);
        fuzz_expose(&fresh);
        if (time_ms % 2000 == 0)
            nv_intake_renew(pieces.intake);
        taker_frame(&pieces);
        nv_assert(r || strcmp(taker_samples(&fresh), taker_samples(&pieces)) == 0);
        taker_end(&fresh);
    }
    taker_end(&memory);
    taker_end(&pieces);
}

#endif
