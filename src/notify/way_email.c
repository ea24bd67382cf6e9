#include <errno.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>

#include "base/mail.h"
#include "config/http_client.h"
#include "notify/ways.h"

enum { HEADER_MAX = 8192, MAIL_MAX = NV_MAIL_MAX };

/* ---- the message ---------------------------------------------------------------------------- */

static void base64(struct nv_buf *out, struct nv_str s, size_t line)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < s.n; i += 3) {
        size_t n = s.n - i < 3 ? s.n - i : 3;
        uint32_t bits = 0;
        for (size_t k = 0; k < 3; k++)
            bits = bits << 8 | (k < n ? (unsigned char)s.p[i + k] : 0);
        for (size_t k = 0; k < 4; k++)
            nv_buf_char(out, k <= n ? digits[bits >> (18 - 6 * k) & 63] : '=');
        if (line && (i / 3 + 1) % (line / 4) == 0)
            nv_buf_char(out, '\n');
    }
}

/* A header's value on one line: what is no printable ASCII makes it an encoded word, and no line can be smuggled in. */
static void header(struct nv_buf *out, struct nv_str name, struct nv_str value)
{
    bool plain = true;

    nv_buf_str(out, name);
    nv_buf_text(out, ": ");
    value = nv_str_trim(value);
    if (value.n > HEADER_MAX)
        value.n = HEADER_MAX;
    for (size_t i = 0; i < value.n; i++)
        plain &= value.p[i] >= 0x20 && value.p[i] < 0x7f;
    if (plain && value.n < 900) {
        nv_buf_str(out, value);
    } else {
        /* Words of 45 bytes at most, cut between characters. */
        while (value.n > 0) {
            size_t n = value.n < 45 ? value.n : 45;
            while (n < value.n && n > 1 && ((unsigned char)value.p[n] & 0xc0) == 0x80)
                n--;
            nv_buf_text(out, "=?UTF-8?B?");
            base64(out, (struct nv_str){value.p, n}, 0);
            nv_buf_text(out, "?=");
            value = nv_str_from(value, n);
            nv_buf_text(out, value.n ? "\n " : "");
        }
    }
    nv_buf_char(out, '\n');
}

static void date(struct nv_buf *out, int64_t ms)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)(ms / 1000);
    struct tm t;

    if (gmtime_r(&seconds, &t))
        nv_buf_printf(out, "Date: %s, %d %s %d %02d:%02d:%02d +0000\n", days[t.tm_wday], t.tm_mday,
                      months[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
}

static void message_id(struct nv_buf *out, const char *from)
{
    const char *at = strrchr(from, '@'), *host = at ? at + 1 : "localhost";
    int n = (int)strcspn(host, "> \t\r\n"); /* from may be `Name <a@b>` */
    uint64_t number[2] = {0};

    (void)!getrandom(number, sizeof(number), 0);
    nv_buf_printf(out, "Message-Id: <%016llx%016llx@%.*s>\n", (unsigned long long)number[0],
                  (unsigned long long)number[1], n < 200 ? n : 200, host);
}

static bool has_header(const struct nv_notify_email *email, const char *name)
{
    for (size_t i = 0; i < email->headers.n; i++) {
        if (strcasecmp(email->headers.at[i].name, name) == 0)
            return true;
    }
    return false;
}

static int templated_header(struct nv_buf *out, const struct nv_notification *said,
                            const char *external_url, const char *name, const char *text,
                            char error[NV_DISPATCH_ERROR_MAX])
{
    NV_AUTO_BUF value = NV_BUF(1 << 20);

    int r = nv_notification_subject(said, external_url, text, &value, error);
    if (r == 0)
        header(out, nv_str(name), nv_buf_view(&value));
    return r;
}

static int write_message(struct nv_buf *out, const struct nv_notify_email *email,
                         const struct nv_notification *said, const char *external_url,
                         char error[NV_DISPATCH_ERROR_MAX])
{
    NV_AUTO_BUF text = NV_BUF(MAIL_MAX / 2);
    int r = 0;

    for (size_t i = 0; i < email->headers.n && r == 0; i++)
        r = templated_header(out, said, external_url, email->headers.at[i].name,
                             email->headers.at[i].value, error);
    if (r == 0 && !has_header(email, "Subject"))
        r = templated_header(out, said, external_url, "Subject", NULL, error);
    if (r == 0)
        r = nv_notification_text(said, external_url, email->text, &text, error);
    if (r < 0)
        return r;
    if (!has_header(email, "From"))
        header(out, NV_LIT("From"), nv_str(email->from));
    if (!has_header(email, "To"))
        header(out, NV_LIT("To"), nv_str(email->to));
    date(out, said->now_ms);
    message_id(out, email->from);
    nv_buf_text(out, "MIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\n"
                     "Content-Transfer-Encoding: base64\nAuto-Submitted: auto-generated\n\n");
    base64(out, nv_buf_view(&text), 76);
    nv_buf_char(out, '\n');
    return text.failed ? text.failed : out->failed;
}

/* ---- who gets it ---------------------------------------------------------------------------- */

/* The address in `Name <a@b>` or `a@b`. */
static const char *address_of(struct nv_arena *memory, struct nv_str text)
{
    const char *open = text.n ? memchr(text.p, '<', text.n) : NULL;
    const char *close = open ? memchr(open, '>', (size_t)(text.p + text.n - open)) : NULL;

    return nv_arena_str(
               memory,
               nv_str_trim(close ? (struct nv_str){open + 1, (size_t)(close - open - 1)} : text))
        .p;
}

static int recipients(const char *to, struct nv_arena *memory, const char *ret[NV_MAIL_TO_MAX],
                      size_t *ret_n)
{
    for (*ret_n = 0; *to; to += *to == ',') {
        size_t n = strcspn(to, ",");
        if (*ret_n == NV_MAIL_TO_MAX)
            return -E2BIG;
        ret[*ret_n] = address_of(memory, (struct nv_str){to, n});
        if (!ret[*ret_n])
            return -ENOMEM;
        *ret_n += *ret[*ret_n] != '\0';
        to += n;
    }
    return *ret_n ? 0 : -EDESTADDRREQ;
}

static int send_mail(struct nv_mailer *mailer, const struct nv_notify_email *email,
                     struct nv_str text, struct nv_arena *memory, char error[NV_DISPATCH_ERROR_MAX])
{
    const char *to[NV_MAIL_TO_MAX];
    struct nv_mail mail = {
        .from = address_of(memory, nv_str(email->from)), .to = to, .message = text};

    int r = mail.from ? recipients(email->to, memory, to, &mail.n_to) : -ENOMEM;
    if (r < 0) {
        snprintf(error, NV_DISPATCH_ERROR_MAX, "recipients: %s", strerror(-r));
        return r;
    }
    r = nv_mailer_send(mailer, &mail);
    if (r < 0)
        snprintf(error, NV_DISPATCH_ERROR_MAX, "%.500s", nv_mailer_error(mailer));
    return r;
}

static struct nv_mailer *mailer_of(const struct nv_notify_email *email)
{
    const char *port = strrchr(email->smarthost, ':');
    bool tls_at_once = port && strcmp(port, ":465") == 0;

    return nv_mailer_new(&(struct nv_mailer_options){
        .server = email->smarthost,
        .hello = email->hello,
        .user = email->auth_username,
        .password = email->auth_password,
        .password_file = email->auth_password_file,
        .security = tls_at_once          ? NV_MAIL_TLS
                    : email->require_tls ? NV_MAIL_STARTTLS
                                         : NV_MAIL_TRY,
        .tls = {.ca = email->tls.ca,
                .cert = email->tls.cert,
                .key = email->tls.key,
                .ca_file = email->tls.ca_file,
                .cert_file = email->tls.cert_file,
                .key_file = email->tls.key_file,
                .insecure_skip_verify = email->tls.insecure_skip_verify},
        .timeout_ms = NV_WAYS_MAIL_MS,
    });
}

int nv_way_email(struct nv_ways *ways, const struct nv_notify_email *email,
                 const struct nv_notification *said, const char *external_url,
                 char error[NV_DISPATCH_ERROR_MAX])
{
    NV_AUTO_BUF text = NV_BUF(MAIL_MAX);
    NV_AUTO(nv_mailer) *mailer = mailer_of(email);
    struct nv_arena memory = NV_ARENA(1 << 20);
    unsigned number;

    if (!mailer)
        return -ENOMEM;
    int r = write_message(&text, email, said, external_url, error);
    if (r == 0)
        r = nv_ways_hold(ways, (struct nv_way_hold){.mailer = mailer}, &number);
    if (r < 0)
        return r;
    r = send_mail(mailer, email, nv_buf_view(&text), &memory, error);
    nv_ways_release(ways, number);
    nv_arena_done(&memory);
    return r;
}
