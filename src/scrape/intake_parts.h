/*
 * intake_parts.h - what the files of the intake share. Only intake*.c include this.
 */
#ifndef NV_SCRAPE_INTAKE_PARTS_H
#define NV_SCRAPE_INTAKE_PARTS_H

#include "base/buf.h"
#include "expo/line.h"
#include "metric/queryable.h"
#include "scrape/intake.h"
#include "scrape/lines.h"

enum { NV_INTAKE_SAMPLES, NV_INTAKE_REPORT, NV_INTAKE_ODD }; /* sections */

enum nv_intake_form {
    NV_INTAKE_UNDECIDED, /* no byte has come yet */
    NV_INTAKE_TEXT,
    NV_INTAKE_OPENMETRICS,
    NV_INTAKE_PROTO,
};

/* What the target tells of a family. Texts in `told_memory`. */
struct nv_intake_family {
    struct nv_str name, help, unit;
    const char *type;
    uint32_t seen;
};

/* A series whose samples bring their times. */
struct nv_intake_own {
    int64_t last_ms; /* INT64_MIN: none yet */
    double last;
    const struct nv_histogram *histogram; /* the last one, in the scrape that `seen` says */
    bool is_native;                       /* the last one was a histogram */
    uint32_t seen; /* in which scrape it was there last; 0: not since it became stale */
};

/* A sample of such a series, until the body is known to be good. */
struct nv_intake_pending {
    uint32_t slot;
    int64_t time_ms;
    double value;
    const struct nv_histogram *histogram;
};

/* Columns of the report in the present generation. */
enum { NV_INTAKE_REPORT_COLUMNS = 8 };

struct nv_intake {
    const struct nv_config_scrape *scrape;
    nv_intake_sparse *sparse;
    void *user;
    struct nv_arena names; /* of the target's labels */
    struct nv_label *labels;
    size_t n_labels;

    struct nv_lines lines;
    uint32_t scrape_number, last_good; /* of the one that is, or was last; of the last good one */

    /* Series of the frames, by column. */
    struct nv_registry *registry;
    struct nv_frame_pool *pool;
    double *values;
    uint64_t *present;
    const struct nv_histogram **histograms; /* NULL: there has never been one */
    size_t room;
    bool any_histogram; /* in this scrape */
    int64_t *own_ms;    /* as in a frame: times of this scrape that are shown, but not honoured */
    uint32_t report[NV_INTAKE_REPORT_COLUMNS];
    size_t n_report;
    bool has_odd; /* there is a third section, of series without the target's labels as they are */
    size_t n_there, n_own_there; /* in the last good scrape */
    uint32_t n_lines_before;     /* this scrape */
    bool live;                   /* a frame was made, and none since that says that all is gone */
    struct nv_frame *exposed;    /* the last one, where somebody may want to see it */

    /* Series with own times. */
    struct nv_registry *own_registry; /* NULL: there are none */
    struct nv_frame_pool *own_pool;
    struct nv_intake_own *own;
    size_t room_own;
    struct nv_intake_pending *pending;
    size_t n_pending, room_pending;

    /* What is told of families. */
    struct nv_intake_family *families;
    uint32_t n_families, room_families;
    struct nv_index family_index;
    struct nv_arena told_memory;
    uint32_t family;  /* the one that was told of last; n_families or beyond: none */
    const char *type; /* of the last TYPE */
    bool told_changed;
    struct nv_metadata *metadata; /* a picture of it; NULL: to be made */

    /* The scrape that is going on. */
    bool going;
    int failed; /* 0, -EBADMSG, -EFBIG, -ENOMEM */
    enum nv_intake_form form;
    char content_type[256];
    int64_t time_ms, latest_ms; /* latest_ms: later samples are too far ahead */
    int64_t told_ms;            /* time of the last scrape that said anything of series in frames */
    bool ended;                 /* # EOF was there */
    bool honors;                /* own times */
    uint64_t attempts;          /* samples that count for the limit */
    struct nv_buf carry;        /* the front of a line or message whose end has not come yet */
    struct nv_line_reader reader;
    struct nv_arena work;    /* of one new series */
    struct nv_arena scratch; /* of one histogram as it is read */
    uint64_t family_hash;    /* of the name, in protobuf */
    struct nv_arena native;  /* of the histograms of a scrape */
    struct nv_intake_told told;
};

__attribute__((format(printf, 2, 3))) int nv_intake_refuse(struct nv_intake *intake,
                                                           const char *format, ...);
int nv_intake_no_memory(struct nv_intake *intake);

/* intake_type.c: which form a Content-Type means. -EBADMSG and the error told. */
NV_MUST_USE int nv_intake_choose(struct nv_intake *intake);

/* intake_text.c: whole lines; the last byte is a newline. */
NV_MUST_USE int nv_intake_lines(struct nv_intake *intake, const char *at, const char *end);

/* intake_proto.c: bytes in any cuts; the end of them. */
NV_MUST_USE int nv_intake_proto(struct nv_intake *intake, const char *p, size_t n);
NV_MUST_USE int nv_intake_proto_end(struct nv_intake *intake);

/*
 * intake_sample.c: one sample of the body, whose line is the entry, and is followed. `histogram` NULL: a double. Where the entry
 * is no more what it was, `labels` tells its labels anew.
 */
struct nv_intake_series {
    struct nv_str name;
    const struct nv_label *labels; /* in any order, empty ones too */
    size_t n_labels;
    bool is_native;
};
struct nv_intake_source {
    int (*read)(struct nv_intake *intake, const void *what, struct nv_intake_series *ret);
    const void *what;
};
NV_MUST_USE int nv_intake_known(struct nv_intake *intake, uint32_t entry,
                                const struct nv_line_value *value,
                                const struct nv_histogram *histogram,
                                const struct nv_intake_source *source);
/* The same for one that has no entry yet. */
NV_MUST_USE int nv_intake_new_sample(struct nv_intake *intake, uint64_t hash, uint32_t length,
                                     const struct nv_line_value *value,
                                     const struct nv_histogram *histogram,
                                     const struct nv_intake_source *source);

/* intake_series.c: where a series belongs: kind and slot of its entry. `ret` NULL: it gets no place, and NV_RELABEL_DROPPED
 * tells that it is not wanted. */
struct nv_intake_place {
    enum nv_entry_kind kind;
    uint32_t slot;
};
NV_MUST_USE int nv_intake_find_place(struct nv_intake *intake,
                                     const struct nv_intake_source *source, bool own,
                                     struct nv_intake_place *ret);
NV_MUST_USE int nv_intake_room_for(struct nv_intake *intake, size_t n_columns);
NV_MUST_USE int nv_intake_add_report(struct nv_intake *intake); /* first in each generation */
NV_MUST_USE int nv_intake_set_targets(struct nv_intake *intake, struct nv_registry *registry);

/* intake_renew.c: as if there had been no scrape; lines from that one on, and what they brought. */
void nv_intake_begin_anew(struct nv_intake *intake);
void nv_intake_forget_lines(struct nv_intake *intake, uint32_t from);

/* intake_own.c */
NV_MUST_USE int nv_intake_own_series(struct nv_intake *intake, const struct nv_labelled_series *def,
                                     uint32_t *ret_slot);
void nv_intake_own_begins(struct nv_intake *intake, uint32_t slot); /* it was in frames so far */
void nv_intake_own_pauses(struct nv_intake *intake,
                          uint32_t slot); /* it is in frames from here on */
NV_MUST_USE int nv_intake_add_pending(struct nv_intake *intake, uint32_t slot,
                                      const struct nv_line_value *value,
                                      const struct nv_histogram *histogram);
void nv_intake_give_out(struct nv_intake *intake);  /* at the end of a good body */
void nv_intake_own_stale(struct nv_intake *intake); /* those not there, or all after a failure */
struct nv_frame *nv_intake_own_frame(struct nv_intake *intake);
void nv_intake_own_done(struct nv_intake *intake);

/* intake_told.c: what is said of a family. */
enum { NV_INTAKE_NO_FAMILY = (1 << 29) - 1 };
NV_MUST_USE int nv_intake_tell(struct nv_intake *intake, enum nv_line_kind kind,
                               struct nv_str family, struct nv_str text, const char *type,
                               uint32_t *ret_family);
void nv_intake_told_renew(struct nv_intake *intake);
void nv_intake_told_done(struct nv_intake *intake);

static inline const struct nv_intake_family *nv_intake_family(const struct nv_intake *intake)
{
    return intake->family < intake->n_families ? &intake->families[intake->family] : NULL;
}

#endif
