#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "notify/ways.h"

/* The journal's own protocol: a datagram of lines NAME=value, or NAME, newline, length, value where that has newlines. */

/* What does not fit an entry is cut or left out: an error would have those before it entered again with every try. */
enum { ENTRY_MAX = 128 << 10, VALUE_MAX = 16 << 10, NAME_MAX_LENGTH = 64, WAIT_MS = 2000 };

static void field(struct nv_buf *out, struct nv_str name, struct nv_str value)
{
    if (value.n > VALUE_MAX) {
        value.n = VALUE_MAX;
        while (value.n > 0 && ((unsigned char)value.p[value.n] & 0xc0) == 0x80)
            value.n--;
    }
    if (out->n + name.n + value.n + sizeof(uint64_t) + 3 > out->max)
        return;
    nv_buf_str(out, name);
    if (value.n && memchr(value.p, '\n', value.n)) {
        unsigned char length[8];
        for (size_t i = 0; i < sizeof(length); i++)
            length[i] = (unsigned char)((uint64_t)value.n >> (8 * i));
        nv_buf_char(out, '\n');
        nv_buf_add(out, length, sizeof(length));
    } else {
        nv_buf_char(out, '=');
    }
    nv_buf_str(out, value);
    nv_buf_char(out, '\n');
}

/* ALERT_LABEL_<NAME>: the journal takes capitals, digits and underscores. */
static void label_field(struct nv_buf *out, const char *prefix, const struct nv_label *label)
{
    char name[NAME_MAX_LENGTH];
    size_t n = strlen(prefix);

    memcpy(name, prefix, n);
    for (size_t i = 0; i < label->name.n && n < sizeof(name); i++) {
        char c = label->name.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'),
             digit = c >= '0' && c <= '9';
        name[n++] = letter ? (char)(c & ~0x20) : digit ? c : '_';
    }
    field(out, (struct nv_str){name, n}, label->value);
}

/* err for what pages or is critical, warning for the rest, notice for what is over. */
static const char *priority_of(const struct nv_alert *alert, bool firing)
{
    struct nv_str severity = nv_alert_label(alert, NV_LIT("severity"));

    if (!firing)
        return "5";
    return nv_str_is(severity, "critical") || nv_str_is(severity, "page") ? "3"
           : nv_str_is(severity, "info")                                  ? "6"
                                                                          : "4";
}

static void message(struct nv_buf *out, const struct nv_alert *alert, bool firing)
{
    struct nv_str summary =
        nv_label_value(alert->annotations, alert->n_annotations, NV_LIT("summary"));

    if (!summary.n)
        summary = nv_label_value(alert->annotations, alert->n_annotations, NV_LIT("description"));
    nv_buf_text(out, firing ? "FIRING " : "RESOLVED ");
    nv_buf_str(out, nv_alert_label(alert, NV_LIT("alertname")));
    if (summary.n) {
        nv_buf_text(out, ": ");
        nv_buf_str(out, summary);
    }
}

static void write_entry(struct nv_buf *out, const struct nv_notify_journal *journal,
                        const struct nv_alert *alert, bool firing)
{
    NV_AUTO_BUF text = NV_BUF(NV_ALERT_BYTES_MAX + 64);
    char hex[17];

    message(&text, alert, firing);
    snprintf(hex, sizeof(hex), "%016llx", (unsigned long long)alert->fingerprint);
    nv_buf_reset(out);
    field(out, NV_LIT("MESSAGE"), nv_buf_view(&text));
    field(out, NV_LIT("PRIORITY"), nv_str(priority_of(alert, firing)));
    field(out, NV_LIT("SYSLOG_IDENTIFIER"), nv_str(journal->identifier));
    field(out, NV_LIT("ALERT_STATUS"), nv_str(firing ? "firing" : "resolved"));
    field(out, NV_LIT("ALERT_NAME"), nv_alert_label(alert, NV_LIT("alertname")));
    field(out, NV_LIT("ALERT_FINGERPRINT"), nv_str(hex));
    for (size_t i = 0; i < alert->n_labels; i++)
        label_field(out, "ALERT_LABEL_", &alert->labels[i]);
    for (size_t i = 0; i < alert->n_annotations; i++)
        label_field(out, "ALERT_ANNOTATION_", &alert->annotations[i]);
}

int nv_way_journal(const struct nv_notify_journal *journal, const struct nv_notification *said,
                   const char *socket_path, char error[NV_DISPATCH_ERROR_MAX])
{
    NV_AUTO_BUF entry = NV_BUF(ENTRY_MAX);
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    const struct timeval patience = {.tv_sec = WAIT_MS / 1000};
    NV_AUTO_FD fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int r = fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0
                ? -errno
                : 0;

    snprintf(to.sun_path, sizeof(to.sun_path), "%s",
             socket_path ? socket_path : "/run/systemd/journal/socket");
    for (size_t i = 0; i < said->n && r == 0; i++) {
        write_entry(&entry, journal, said->alerts[i], i < said->n_firing);
        r = entry.failed;
        if (r == 0 && sendto(fd, entry.p, entry.n, MSG_NOSIGNAL, (const struct sockaddr *)&to,
                             sizeof(to)) < 0)
            r = -errno;
    }
    if (r < 0)
        snprintf(error, NV_DISPATCH_ERROR_MAX, "the journal does not take it: %s", strerror(-r));
    return r;
}
