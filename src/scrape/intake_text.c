/*
 * Lines of text and OpenMetrics. In the steady state each is the one that is expected: the bytes up to where its series
 * ended last time have the hash they had, and behind them stands a value.
 */
#include "scrape/intake_parts.h"

/* Whether the expected line is here. A bare name may be the front of a longer one. */
static bool is_here(const struct nv_line_entry *entry, const char *at, const char *end)
{
    size_t n = entry->length;

    if ((size_t)(end - at) <= n || n == 0)
        return false;
    bool ends = entry->kind == NV_ENTRY_TOLD ? at[n] == '\n'
                                             : at[n] == ' ' || at[n - 1] == '}' || at[n] == '\t';
    return ends && nv_hash_keyed(at, n) == entry->hash;
}

static int read_series(struct nv_intake *intake, const void *what, struct nv_intake_series *ret)
{
    int r = nv_line_series(&intake->reader, what);

    if (r == -ENOMEM)
        return r;
    if (r < 0)
        return nv_intake_refuse(intake, "%s", intake->reader.error);
    *ret = (struct nv_intake_series){
        .name = intake->reader.name,
        .labels = intake->reader.labels,
        .n_labels = intake->reader.n_labels,
    };
    return 0;
}

static int bad_line(struct nv_intake *intake, int r)
{
    return r == -EBADMSG ? nv_intake_refuse(intake, "%s", intake->reader.error) : r;
}

/* ---- lines that tell of families ------------------------------------------------------------ */

static void told(struct nv_intake *intake, struct nv_line_entry *entry)
{
    entry->seen = intake->scrape_number;
    intake->family = entry->slot >> 1;
    const struct nv_intake_family *family = nv_intake_family(intake);
    if (family && (entry->slot & 1)) /* a TYPE */
        intake->type = family->type;
}

static int tell(struct nv_intake *intake, struct nv_str line, enum nv_line_kind kind,
                const struct nv_line_told *what)
{
    uint64_t hash = nv_hash_keyed(line.p, line.n);
    uint32_t i = nv_lines_find(&intake->lines, hash, (uint32_t)line.n), family;
    const char *type = kind == NV_LINE_TYPE ? nv_line_type(intake->reader.form, what->text) : NULL;

    if (i && intake->lines.at[i].seen >= intake->last_good) {
        nv_lines_follow(&intake->lines, i);
        told(intake, &intake->lines.at[i]);
        return 0;
    }
    int r = nv_intake_tell(intake, kind, what->family, what->text, type, &family);
    if (r < 0)
        return r;
    intake->family = family;
    if (type)
        intake->type = type;
    if (i) {
        nv_lines_follow(&intake->lines, i);
    } else {
        const struct nv_line_entry entry = {
            .hash = hash,
            .length = (uint32_t)line.n,
            .kind = NV_ENTRY_TOLD,
        };
        r = nv_lines_add(&intake->lines, entry, &i);
        if (r < 0)
            return r == -E2BIG ? 0 : r; /* it is read again each time */
    }
    intake->lines.at[i].slot = (family << 1 | (type != NULL)) & ((UINT32_C(1) << 30) - 1);
    intake->lines.at[i].seen = intake->scrape_number;
    return 0;
}

/* ---- samples -------------------------------------------------------------------------------- */

/* A sample that is not where it was, or is new. */
static int sample(struct nv_intake *intake, const char **at)
{
    const struct nv_intake_source source = {read_series, *at};
    const char *line = *at, *behind = nv_line_series_end(intake->reader.form, line);
    struct nv_line_value value;

    if (!behind) { /* reading it tells why */
        struct nv_intake_series none;
        int r = read_series(intake, line, &none);
        return r < 0 ? r : nv_intake_refuse(intake, "malformed line");
    }
    uint32_t length = (uint32_t)(behind - line);
    uint64_t hash = nv_hash_keyed(line, length);
    *at = behind;
    int r = nv_line_value(&intake->reader, line, at, &value);
    if (r == NV_LINE_LABELS)
        return nv_intake_refuse(intake, "expected value after metric, got \"{\"");
    if (r < 0)
        return bad_line(intake, r);
    uint32_t i = nv_lines_find(&intake->lines, hash, length);
    if (!i)
        return nv_intake_new_sample(intake, hash, length, &value, NULL, &source);
    nv_lines_follow(&intake->lines, i);
    return nv_intake_known(intake, i, &value, NULL, &source);
}

static int other_line(struct nv_intake *intake, const char **at, const char *end)
{
    if (intake->form == NV_INTAKE_TEXT)
        while (**at == ' ' || **at == '\t')
            ++*at;
    if (**at != '#' && **at != '\n')
        return sample(intake, at);

    const char *newline = memchr(*at, '\n', (size_t)(end - *at));
    struct nv_str line = {*at, (size_t)(newline - *at)};
    struct nv_line_told what;
    int kind = nv_line_kind(&intake->reader, line, &what);
    *at = newline + 1;
    if (kind < 0)
        return bad_line(intake, kind);
    if (kind == NV_LINE_EOF)
        intake->ended = true;
    if (kind == NV_LINE_EOF || kind == NV_LINE_NOTHING)
        return 0;
    return tell(intake, line, (enum nv_line_kind)kind, &what);
}

/* The line that is expected, which is here. */
static int expected_line(struct nv_intake *intake, uint32_t i, const char **at, const char *end)
{
    struct nv_line_entry *entry = &intake->lines.at[i];
    const struct nv_intake_source source = {read_series, *at};
    const char *line = *at;
    struct nv_line_value value;

    if (entry->kind == NV_ENTRY_TOLD) {
        if (entry->seen < intake->last_good) /* something else may have been told meanwhile */
            return other_line(intake, at, end);
        *at += entry->length + 1;
        nv_lines_follow(&intake->lines, i);
        told(intake, entry);
        return 0;
    }
    *at += entry->length;
    int r = nv_line_value(&intake->reader, line, at, &value);
    if (r == NV_LINE_LABELS) { /* `name {...}` where a bare name was */
        *at = line;
        return other_line(intake, at, end);
    }
    if (r < 0)
        return bad_line(intake, r);
    nv_lines_follow(&intake->lines, i);
    return nv_intake_known(intake, i, &value, NULL, &source);
}

int nv_intake_lines(struct nv_intake *intake, const char *at, const char *end)
{
    int r = 0;

    intake->reader.form = intake->form == NV_INTAKE_TEXT ? NV_LINE_TEXT : NV_LINE_OPENMETRICS;
    intake->reader.end = end;
    while (at < end && r == 0) {
        if (intake->ended)
            return nv_intake_refuse(intake, "unexpected data after # EOF");
        uint32_t i = nv_lines_expected(&intake->lines);
        r = is_here(&intake->lines.at[i], at, end) ? expected_line(intake, i, &at, end)
                                                   : other_line(intake, &at, end);
    }
    return r;
}
