/*
 * os - the distribution, its version and the end of its support.
 *
 * Source: the first of etc/os-release and usr/lib/os-release below the root file system, lines KEY=value
 * in the manner of the shell:
 *
 *   export KEY=value    `export` is allowed; a key is letters, digits and "_./", no digit first
 *   "..."               with \" \\ \/ \b \f \n \r \t \uXXXX, and no other escapes
 *   '...'               as it stands
 *   #                   outside quotes begins a comment
 *
 * Quoted and bare pieces may follow each other. Nothing is expanded. Whatever else stands there is an
 * error. The answer is kept until the file is replaced or written to.
 */
#include <nodevitals/collector.h>

#include <time.h>

static const struct nv_family info_columns[] = {
    {"node_os_info", NV_GAUGE, NV_AS_IS, "Names of the distribution, always 1."},
};
static const struct nv_family version_columns[] = {
    {"node_os_version", NV_GAUGE, NV_AS_IS, "Major and minor version as a number."},
};
static const struct nv_family support_columns[] = {
    {"node_os_support_end_timestamp_seconds", NV_GAUGE, NV_AS_IS,
     "When the distribution's support ends, in Unix time."},
};

enum key {
    ID,
    ID_LIKE,
    NAME,
    BUILD_ID,
    IMAGE_ID,
    IMAGE_VERSION,
    PRETTY_NAME,
    VARIANT,
    VARIANT_ID,
    VERSION,
    VERSION_CODENAME,
    VERSION_ID,
    N_LABELS,
    SUPPORT_END = N_LABELS,
    N_KEYS,
};

static const char *const keys[N_KEYS] = {
    "ID",          "ID_LIKE", "NAME",       "BUILD_ID", "IMAGE_ID",         "IMAGE_VERSION",
    "PRETTY_NAME", "VARIANT", "VARIANT_ID", "VERSION",  "VERSION_CODENAME", "VERSION_ID",
    "SUPPORT_END",
};

static const struct nv_table infos = {
    NV_LABELS("id", "id_like", "name", "build_id", "image_id", "image_version", "pretty_name",
              "variant", "variant_id", "version", "version_codename", "version_id"),
    info_columns, NV_LEN(info_columns)};
static const struct nv_table versions = {NV_LABELS("id", "id_like", "name"), version_columns, 1};
static const struct nv_table supports = {NV_NO_LABELS, support_columns, 1};

static const char *const files[] = {"root/etc/os-release", "root/usr/lib/os-release"};

enum { FILE_MAX = 1 << 20 };

struct state {
    bool known;
    size_t file; /* which of the files */
    int64_t mtime_ns;
    char *text; /* what the values point into */
    struct nv_str values[N_KEYS];
    double version;        /* 0 for none */
    int64_t support_end_s; /* INT64_MIN for none */
};

/* ---- the syntax ----------------------------------------------------------------------------- */

static size_t put_utf8(unsigned code, char *out)
{
    if (code >= 0xd800 && code < 0xe000)
        code = 0xfffd; /* half a pair */
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    out[0] = (char)(0xe0 | code >> 12);
    out[1] = (char)(0x80 | (code >> 6 & 0x3f));
    out[2] = (char)(0x80 | (code & 0x3f));
    return 3;
}

/* Takes what stands behind a backslash, writes at most three bytes, fewer than it takes. Returns how
 * many, or -EBADMSG. */
static int unescape(struct nv_scan *s, char *out)
{
    static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
    uint64_t code;

    if (s->at == s->end)
        return -EBADMSG;
    char c = *s->at++;
    if (c == 'u') {
        if (s->end - s->at < 4 || nv_is_space(s->at[0]) || nv_is_space(s->at[3]) ||
            !nv_str_to_hex((struct nv_str){s->at, 4}, &code))
            return -EBADMSG;
        s->at += 4;
        return (int)put_utf8((unsigned)code, out);
    }
    const char *name = c ? strchr(names, c) : NULL;
    if (!name)
        return -EBADMSG;
    *out = bytes[name - names];
    return 1;
}

/* Writes the value that is left in the window, which is at least as long. */
static int unquote(struct nv_scan *s, char *out, struct nv_str *ret)
{
    size_t n = 0, bare_end = 0; /* blanks at the end do not count unless quoted */
    char quote = 0;

    while (s->at < s->end) {
        char c = *s->at++;
        if (quote && c == quote) {
            quote = 0;
        } else if (quote == '"' && c == '\\') {
            int r = unescape(s, out + n);
            if (r < 0)
                return r;
            n += (size_t)r;
        } else if (!quote && (c == '"' || c == '\'')) {
            quote = c;
        } else if (!quote && c == '#') {
            break;
        } else {
            out[n++] = c;
            if (!quote && nv_is_space(c))
                continue;
        }
        bare_end = n;
    }
    if (quote)
        return -EBADMSG;
    *ret = (struct nv_str){out, bare_end};
    return 0;
}

static bool is_key(struct nv_str key)
{
    for (size_t i = 0; i < key.n; i++) {
        char c = key.p[i], letter = c | 0x20;
        bool first = (letter >= 'a' && letter <= 'z') || c == '_';
        if (!first && (i == 0 || (!nv_is_digit(c) && c != '.' && c != '/')))
            return false;
    }
    return key.n > 0;
}

/* Reads all lines; values go to `out`, which is as long as the text. */
static int parse(struct nv_str text, char *out, struct nv_str *values)
{
    struct nv_scan file = nv_scan(text), line;

    while (nv_scan_line(&file, &line)) {
        struct nv_str rest = nv_str_trim(nv_scan_rest(&line)), value;
        if (!rest.n || rest.p[0] == '#')
            continue;
        if (nv_str_starts(rest, "export "))
            rest = nv_str_from(rest, strlen("export "));
        struct nv_scan s = nv_scan(nv_str_trim(rest));
        struct nv_str key = nv_str_trim(nv_scan_until(&s, '='));
        if (s.failed || !is_key(key))
            return -EBADMSG;
        s = nv_scan(nv_str_trim(nv_scan_rest(&s)));
        int r = unquote(&s, out, &value);
        if (r < 0)
            return r;
        out += value.n;
        for (size_t i = 0; i < N_KEYS; i++) {
            if (nv_str_is(key, keys[i]))
                values[i] = value;
        }
    }
    return 0;
}

/* ---- the answer ----------------------------------------------------------------------------- */

/* Leading digits of VERSION_ID with one ".digits". */
static double version_of(struct nv_str text)
{
    double version = 0;
    size_t n = 0;

    while (n < text.n && nv_is_digit(text.p[n]))
        n++;
    if (n && n < text.n && text.p[n] == '.') {
        for (n++; n < text.n && nv_is_digit(text.p[n]);)
            n++;
    }
    nv_str_to_real((struct nv_str){text.p, n}, &version);
    return version;
}

/* "2027-04-30" as Unix time. */
static int date_of(struct nv_str text, int64_t *ret)
{
    struct nv_str rest = text;
    struct nv_str year = nv_str_cut(&rest, '-'), month = nv_str_cut(&rest, '-');
    uint64_t y, m, d;

    if (text.n != 10 || year.n != 4 || month.n != 2 || rest.n != 2 || !nv_str_to_u64(year, &y) ||
        !nv_str_to_u64(month, &m) || !nv_str_to_u64(rest, &d))
        return -EBADMSG;
    struct tm tm = {.tm_year = (int)y - 1900, .tm_mon = (int)m - 1, .tm_mday = (int)d};
    int64_t time = timegm(&tm);
    if (tm.tm_mon != (int)m - 1 || tm.tm_mday != (int)d) /* no such day */
        return -EBADMSG;
    *ret = time;
    return 0;
}

static int learn(struct nv_pass *pass, size_t file, int64_t mtime_ns)
{
    struct state *state = nv_state(pass);
    struct nv_str text;

    state->known = false;
    int r = nv_read(pass, files[file], &text);
    if (r < 0)
        return nv_error(pass, r, "cannot read %s", files[file]);
    if (text.n > FILE_MAX)
        return nv_error(pass, -EFBIG, "%s is too long", files[file]);
    char *copy = realloc(state->text, text.n + 1);
    if (!copy)
        return -ENOMEM;
    state->text = copy;

    for (size_t i = 0; i < N_KEYS; i++)
        state->values[i] = NV_LIT("");
    r = parse(text, copy, state->values);
    if (r < 0)
        return nv_error(pass, r, "%s is malformed", files[file]);
    state->version = version_of(state->values[VERSION_ID]);
    state->support_end_s = INT64_MIN;
    struct nv_str end = state->values[SUPPORT_END];
    if (end.n && date_of(end, &state->support_end_s) < 0)
        return nv_error(pass, -EBADMSG, "%s: SUPPORT_END is no date", files[file]);
    state->file = file;
    state->mtime_ns = mtime_ns;
    state->known = true;
    return 0;
}

static int collect(struct nv_pass *pass)
{
    struct state *state = nv_state(pass);
    int64_t mtime_ns = 0;
    size_t file = 0;

    int r = nv_stat(pass, files[0], NULL, &mtime_ns);
    if (r == -ENOENT)
        r = nv_stat(pass, files[++file], NULL, &mtime_ns);
    if (r == -ENOENT)
        return NV_NO_DATA;
    if (r == 0 && (!state->known || state->file != file || state->mtime_ns != mtime_ns))
        r = learn(pass, file, mtime_ns);
    if (r < 0)
        return r;

    nv_emit_u64(pass, &infos, state->values, 0, 1);
    if (state->version > 0)
        nv_emit_real(pass, &versions, state->values, 0, state->version);
    if (state->support_end_s != INT64_MIN)
        nv_emit_i64(pass, &supports, NULL, 0, state->support_end_s);
    return 0;
}

static void stop(void *memory)
{
    struct state *state = memory;

    free(state->text);
}

NV_COLLECTOR(os) = {
    NV_ABI_STAMP,
    .name = "os",
    .summary = "Name and version of the distribution.",
    .tables = NV_TABLES(&infos, &versions, &supports),
    .state_size = sizeof(struct state),
    .stop = stop,
    .cadence_ms = 15000,
    .collect = collect,
};
