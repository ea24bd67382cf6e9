#include "base/log.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/utf8.h"

enum {
    ATTRIBUTE_MAX = 1024, /* bytes of the attribute beside the message */
    WAIT_MS = 1000,       /* for a reader of the log; then the line is dropped */
    REPEATS_MAX = 1024,
};

static const char *const level_names[] = {"DEBUG", "INFO", "WARN", "ERROR"};
static const char level_priorities[] = {'7', '6', '4', '3'}; /* as syslog(3) numbers them */

static const struct sockaddr_un journal = {.sun_family = AF_UNIX,
                                           .sun_path = "/run/systemd/journal/socket"};

static struct {
    enum nv_log_level least;
    enum nv_log_form form;
    int fd;
    int journal_fd;    /* unconnected, since the journal may be restarted; -1: none */
    bool connected;    /* fd is itself a datagram socket to a journal */
    atomic_bool stuck; /* nobody read the last line in time: do not wait again */
} setup = {.least = NV_INFO, .form = NV_LOG_LOGFMT, .fd = 2, .journal_fd = -1};

/* What is being logged. */
struct entry {
    enum nv_log_level level;
    const char *file;
    int line;
    const char *key, *value;
    struct nv_str message;
};

/* A line being built; what does not fit is left out. */
struct line {
    char *p;
    size_t n, max;
};

static int open_journal(void)
{
    static const struct timeval wait = {.tv_sec = WAIT_MS / 1000, .tv_usec = WAIT_MS % 1000 * 1000};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd >= 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
    return fd;
}

void nv_log_setup(enum nv_log_level least, enum nv_log_form form, int fd)
{
    int type = 0;
    socklen_t size = sizeof(type);

    if (setup.journal_fd >= 0)
        close(setup.journal_fd);
    setup.least = least;
    setup.form = form;
    setup.fd = fd;
    setup.journal_fd = -1;
    setup.connected = form == NV_LOG_JOURNAL &&
                      getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_DGRAM;
    if (form == NV_LOG_JOURNAL && !setup.connected)
        setup.journal_fd = open_journal();
    atomic_store(&setup.stuck, false);
}

bool nv_log_wants(enum nv_log_level level)
{
    return level >= setup.least;
}

static void put(struct line *line, struct nv_str s)
{
    size_t n = s.n < line->max - line->n ? s.n : line->max - line->n;

    if (n)
        memcpy(line->p + line->n, s.p, n);
    line->n += n;
}

static void put_text(struct line *line, const char *c_string)
{
    put(line, nv_str(c_string));
}

/* All of a short piece or, where it does not fit, nothing more of the line. */
static bool put_whole(struct line *line, const char *p, size_t n)
{
    if (n > line->max - line->n)
        return false;
    memcpy(line->p + line->n, p, n);
    line->n += n;
    return true;
}

/* Characters that show nothing, or that change how their neighbours show. */
static bool is_hidden(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c <= 0xa0) || c == 0xad || c == 0x61c || c == 0x180e ||
           (c >= 0x2000 && c <= 0x200f) || (c >= 0x2028 && c <= 0x202f) ||
           (c >= 0x205f && c <= 0x206f) || c == 0x3000 || c == 0xfeff ||
           (c >= 0xe000 && c <= 0xf8ff) || (c >= 0xfff0 && c <= 0xfffb) || (c & 0xfffe) == 0xfffe ||
           c >= 0xe0000;
}

/* How logfmt and JSON write a character that cannot stand as it is. Returns the length. */
static int escape(char out[16], enum nv_log_form form, uint32_t c)
{
    static const char letters[] = "abtnvfr"; /* from 7 on */

    if (c == '"' || c == '\\')
        return snprintf(out, 16, "\\%c", (char)c);
    if (c >= 7 && c <= 13 && (form == NV_LOG_LOGFMT || (c != 7 && c != 11)))
        return snprintf(out, 16, "\\%c", letters[c - 7]);
    if (form == NV_LOG_LOGFMT)
        return snprintf(out, 16, c < 0x80 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
    if (c < 0x10000)
        return snprintf(out, 16, "\\u%04x", c);
    return snprintf(out, 16, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10),
                    0xdc00 + ((c - 0x10000) & 0x3ff));
}

/* The inside of a quoted string. */
static void put_escaped(struct line *line, enum nv_log_form form, struct nv_str s)
{
    while (s.n) {
        char text[16];
        uint32_t c = 0;
        size_t n = nv_utf8_decode(s, &c);
        bool fits;
        if (n && c != '"' && c != '\\' && !is_hidden(c))
            fits = put_whole(line, s.p, n);
        else if (n)
            fits = put_whole(line, text, (size_t)escape(text, form, c));
        else if (form == NV_LOG_JSON)
            fits = put_whole(line, "\\ufffd", 6);
        else
            fits =
                put_whole(line, text, (size_t)snprintf(text, 16, "\\x%02x", (unsigned char)s.p[0]));
        if (!fits)
            return;
        s = nv_str_from(s, n ? n : 1);
    }
}

static bool needs_quotes(struct nv_str s)
{
    bool plain = s.n > 0;

    while (s.n && plain) {
        uint32_t c = 0;
        size_t n = nv_utf8_decode(s, &c);
        plain = n && c != ' ' && c != '=' && c != '"' && !is_hidden(c);
        s = nv_str_from(s, n);
    }
    return !plain;
}

/* Leaves a byte for the closing quote. */
static void put_value(struct line *line, enum nv_log_form form, struct nv_str s)
{
    if (form == NV_LOG_LOGFMT && !needs_quotes(s)) {
        put(line, s);
        return;
    }
    if (line->max - line->n < 2)
        return;
    put_text(line, "\"");
    line->max--;
    put_escaped(line, form, s);
    line->max++;
    put_text(line, "\"");
}

static void put_time(struct line *line)
{
    char text[96];
    int64_t ms = nv_wall_ms();
    time_t s = (time_t)(ms / 1000);
    struct tm t;

    if (!gmtime_r(&s, &t))
        memset(&t, 0, sizeof(t));
    snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", t.tm_year + 1900,
             t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, (int)(ms % 1000));
    put_text(line, text);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* The attribute first, for the message gets what room is left. */
static void build_line(struct line *line, enum nv_log_form form, const struct entry *entry)
{
    bool json = form == NV_LOG_JSON;
    char number[16], attribute[ATTRIBUTE_MAX];
    struct line tail = {attribute, 0, sizeof(attribute) - 1};

    if (entry->key) {
        put_text(&tail, json ? ",\"" : " ");
        put_escaped(&tail, form, nv_str(entry->key));
        put_text(&tail, json ? "\":" : "=");
        put_value(&tail, form, nv_str(entry->value ? entry->value : ""));
    }
    tail.max++;
    if (json)
        put_text(&tail, "}");

    put_text(line, json ? "{\"time\":\"" : "time=");
    put_time(line);
    put_text(line, json ? "\",\"level\":\"" : " level=");
    put_text(line, level_names[entry->level]);
    put_text(line, json ? "\",\"source\":\"" : " source=");
    put_text(line, base_name(entry->file));
    snprintf(number, sizeof(number), ":%d", entry->line);
    put_text(line, number);
    put_text(line, json ? "\",\"msg\":" : " msg=");
    line->max -= tail.n + 1;
    put_value(line, form, entry->message);
    line->max += tail.n + 1;
    put(line, (struct nv_str){attribute, tail.n});
    put_text(line, "\n");
}

/* A field of the journal's protocol: NAME=value, or with its length where it holds a newline. */
static void put_field(struct line *line, const char *name, struct nv_str value)
{
    size_t overhead = strlen(name) + 1 + sizeof(uint64_t) + 1;

    if (line->max - line->n < overhead)
        return;
    if (value.n > line->max - line->n - overhead)
        value.n = line->max - line->n - overhead;
    put_text(line, name);
    if (nv_str_find(value, '\n') == value.n) {
        put_text(line, "=");
    } else {
        uint64_t n = htole64(value.n);
        put_text(line, "\n");
        put(line, (struct nv_str){(const char *)&n, sizeof(n)});
    }
    put(line, value);
    put_text(line, "\n");
}

static void build_fields(struct line *line, const struct entry *entry)
{
    char number[16], name[64] = "NODEVITALS_";

    snprintf(number, sizeof(number), "%d", entry->line);
    put_field(line, "PRIORITY", (struct nv_str){&level_priorities[entry->level], 1});
    put_field(line, "SYSLOG_IDENTIFIER", NV_LIT("nodevitals"));
    put_field(line, "CODE_FILE", nv_str(base_name(entry->file)));
    put_field(line, "CODE_LINE", nv_str(number));
    if (entry->key) {
        struct nv_str value = nv_str(entry->value ? entry->value : "");
        size_t n = strlen(name);
        for (const char *c = entry->key; *c && n < sizeof(name) - 1; c++) {
            bool lower = *c >= 'a' && *c <= 'z';
            bool kept = nv_is_digit(*c) || (*c >= 'A' && *c <= 'Z');
            name[n++] = lower ? (char)(*c - 'a' + 'A') : kept ? *c : '_';
        }
        if (value.n > ATTRIBUTE_MAX)
            value.n = ATTRIBUTE_MAX;
        put_field(line, name, value);
    }
    put_field(line, "MESSAGE", entry->message);
}

/* False where no journal takes it. */
static bool send_journal(const struct entry *entry)
{
    char bytes[NV_LOG_LINE_MAX];
    struct line line = {bytes, 0, sizeof(bytes)};
    const struct sockaddr *to = setup.connected ? NULL : (const struct sockaddr *)&journal;
    int fd = setup.connected ? setup.fd : setup.journal_fd;

    build_fields(&line, entry);
    return sendto(fd, line.p, line.n, MSG_NOSIGNAL, to, to ? sizeof(journal) : 0) >= 0;
}

/* Waits for a slow reader, but for a dead one only once. */
static void write_line(struct nv_str line)
{
    struct pollfd ready = {.fd = setup.fd, .events = POLLOUT};

    if (poll(&ready, 1, atomic_load(&setup.stuck) ? 0 : WAIT_MS) == 0) {
        atomic_store(&setup.stuck, true);
        return;
    }
    atomic_store(&setup.stuck, false);
    while (write(setup.fd, line.p, line.n) < 0 && errno == EINTR)
        ;
}

void nv_log_write_v(enum nv_log_level level, const char *file, int line_number, const char *key,
                    const char *value, const char *format, va_list arguments)
{
    char message[NV_LOG_LINE_MAX], bytes[NV_LOG_LINE_MAX];
    int saved = errno;

    if (!nv_log_wants(level))
        return;
    int n = vsnprintf(message, sizeof(message), format, arguments);
    size_t length = n < 0 ? 0 : (size_t)n < sizeof(message) ? (size_t)n : sizeof(message) - 1;
    struct entry entry = {
        level, file, line_number, key, value, {message, length}
    };
    if (setup.form != NV_LOG_JOURNAL || !send_journal(&entry)) {
        struct line line = {bytes, 0, sizeof(bytes)};
        build_line(&line, setup.form == NV_LOG_JSON ? NV_LOG_JSON : NV_LOG_LOGFMT, &entry);
        write_line((struct nv_str){line.p, line.n});
    }
    errno = saved;
}

void nv_log_write(enum nv_log_level level, const char *file, int line, const char *key,
                  const char *value, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    nv_log_write_v(level, file, line, key, value, format, arguments);
    va_end(arguments);
}

int nv_log_err_(const char *file, int line, int error, const char *format, ...)
{
    char message[NV_LOG_LINE_MAX / 2], text[128];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    nv_log_write(NV_ERROR, file, line, NULL, NULL, "%s: %s", message,
                 strerror_r(error < 0 ? -error : error, text, sizeof(text)));
    return error;
}

bool nv_complaint_speaks(struct nv_complaint *complaint)
{
    complaint->times++;
    if (complaint->times < complaint->next)
        return false;
    complaint->next =
        complaint->times + (complaint->times < REPEATS_MAX ? complaint->times : REPEATS_MAX);
    return true;
}

uint64_t nv_complaint_over(struct nv_complaint *complaint)
{
    uint64_t times = complaint->times;

    *complaint = (struct nv_complaint){0};
    return times;
}
