#include "base/mail.h"

#include <errno.h>

#include "base/transfer.h"

enum { URL_MAX = 1024 };

struct nv_mailer {
    struct nv_transfer transfer;
    char *user, *password, *password_file;
    struct nv_buf secret, message;
    size_t sent; /* bytes of the message */
};

/* ---- making --------------------------------------------------------------------------------- */

static size_t give_message(char *out, size_t size, size_t n, void *user)
{
    struct nv_mailer *mailer = user;
    size_t left = mailer->message.n - mailer->sent, room = size * n;
    size_t given = left < room ? left : room;

    if (given)
        memcpy(out, mailer->message.p + mailer->sent, given);
    mailer->sent += given;
    return given;
}

static void set_up(struct nv_mailer *mailer, const struct nv_mailer_options *options)
{
    static const long use[] = {
        [NV_MAIL_STARTTLS] = CURLUSESSL_ALL,
        [NV_MAIL_TRY] = CURLUSESSL_TRY,
        [NV_MAIL_TLS] = CURLUSESSL_ALL,
        [NV_MAIL_UNSECURED] = CURLUSESSL_NONE,
    };
    struct nv_transfer *transfer = &mailer->transfer;
    NV_AUTO_BUF url = NV_BUF(URL_MAX);
    curl_read_callback give = give_message;

    nv_buf_printf(&url, "%s://%s/", options->security == NV_MAIL_TLS ? "smtps" : "smtp",
                  options->server);
    if (options->hello)
        nv_http_escape(&url, nv_str(options->hello));
    NV_TRANSFER_SET(transfer, CURLOPT_URL, nv_buf_c_string(&url));
    NV_TRANSFER_SET(transfer, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    NV_TRANSFER_SET(transfer, CURLOPT_USE_SSL, use[options->security]);
    NV_TRANSFER_SET(transfer, CURLOPT_PROXY, "");
    NV_TRANSFER_SET(transfer, CURLOPT_UPLOAD, 1L);
    NV_TRANSFER_SET(transfer, CURLOPT_READFUNCTION, give);
    NV_TRANSFER_SET(transfer, CURLOPT_READDATA, mailer);
    nv_transfer_set_tls(transfer, &options->tls);
}

static bool keep(char **place, const char *text)
{
    *place = text ? strdup(text) : NULL;
    return *place || !text;
}

struct nv_mailer *nv_mailer_new(const struct nv_mailer_options *options)
{
    NV_AUTO(nv_mailer) *mailer = calloc(1, sizeof(*mailer));

    if (!mailer || !keep(&mailer->user, options->user) ||
        !keep(&mailer->password, options->password) ||
        !keep(&mailer->password_file, options->password_file))
        return NULL;
    mailer->secret = NV_BUF(NV_HTTP_SECRET_MAX);
    mailer->message = NV_BUF(NV_MAIL_MAX);
    nv_transfer_init(&mailer->transfer, options->connect_timeout_ms, options->timeout_ms);
    set_up(mailer, options);
    return nv_take(mailer);
}

void nv_mailer_free(struct nv_mailer *mailer)
{
    if (!mailer)
        return;
    nv_transfer_done(&mailer->transfer);
    nv_buf_done(&mailer->secret);
    nv_buf_done(&mailer->message);
    free(mailer->user);
    free(mailer->password);
    free(mailer->password_file);
    free(mailer);
}

/* ---- sending -------------------------------------------------------------------------------- */

/* SMTP wants CR LF. */
static void set_message(struct nv_mailer *mailer, struct nv_str text)
{
    struct nv_buf *out = &mailer->message;

    nv_buf_reset(out);
    while (text.n) {
        size_t end = nv_str_find(text, '\n');
        struct nv_str line = {text.p,
                              end && end < text.n && text.p[end - 1] == '\r' ? end - 1 : end};
        nv_buf_str(out, line);
        nv_buf_text(out, "\r\n");
        text = nv_str_from(text, end + 1);
    }
    mailer->sent = 0;
}

static bool is_address(const char *text)
{
    struct nv_str address = nv_str(text);

    return address.n && nv_transfer_is_line(address) && !strpbrk(text, " <>");
}

static int add_recipients(struct nv_mailer *mailer, const struct nv_mail *mail,
                          struct curl_slist **ret)
{
    if (!is_address(mail->from))
        return nv_transfer_fail(&mailer->transfer, -EINVAL, "'%s' is no address", mail->from);
    if (!mail->n_to || mail->n_to > NV_MAIL_TO_MAX)
        return nv_transfer_fail(&mailer->transfer, -EINVAL, "expected 1 to %d recipients",
                                NV_MAIL_TO_MAX);
    for (size_t i = 0; i < mail->n_to; i++) {
        if (!is_address(mail->to[i]))
            return nv_transfer_fail(&mailer->transfer, -EINVAL, "'%s' is no address", mail->to[i]);
        struct curl_slist *longer = curl_slist_append(*ret, mail->to[i]);
        if (!longer)
            return nv_transfer_fail(&mailer->transfer, -ENOMEM, "out of memory");
        *ret = longer;
    }
    return 0;
}

static int set_user(struct nv_mailer *mailer)
{
    if (!mailer->user)
        return 0;
    int r = nv_transfer_secret(&mailer->transfer, mailer->password, mailer->password_file,
                               &mailer->secret);
    NV_TRANSFER_SET(&mailer->transfer, CURLOPT_USERNAME, mailer->user);
    NV_TRANSFER_SET(&mailer->transfer, CURLOPT_PASSWORD, nv_buf_c_string(&mailer->secret));
    return r;
}

/* To the library a refusal is a failure to send like any other; only the server's number tells. */
static int explain(struct nv_mailer *mailer, int r)
{
    char reason[NV_HTTP_ERROR_MAX];
    long answer = 0;

    curl_easy_getinfo(mailer->transfer.easy, CURLINFO_RESPONSE_CODE, &answer);
    if ((r != -EIO && r != -ECONNRESET) || answer < 400)
        return r;
    snprintf(reason, sizeof(reason), "%s", mailer->transfer.error);
    return nv_transfer_fail(&mailer->transfer, -EREMOTEIO, "the server refuses the mail: %.256s",
                            reason);
}

static int send_to(struct nv_mailer *mailer, const struct nv_mail *mail,
                   struct curl_slist *recipients)
{
    struct nv_transfer *transfer = &mailer->transfer;
    static const int no_error = 0;
    int r = set_user(mailer);

    if (r < 0)
        return r;
    set_message(mailer, mail->message);
    if (mailer->message.failed)
        return nv_transfer_fail(transfer, mailer->message.failed,
                                "the message has more than %d bytes", NV_MAIL_MAX);
    NV_TRANSFER_SET(transfer, CURLOPT_MAIL_FROM, mail->from);
    NV_TRANSFER_SET(transfer, CURLOPT_MAIL_RCPT, recipients);
    NV_TRANSFER_SET(transfer, CURLOPT_INFILESIZE_LARGE, (curl_off_t)mailer->message.n);
    r = nv_transfer_run(transfer, 0, 0, &no_error);
    NV_TRANSFER_SET(transfer, CURLOPT_MAIL_RCPT, (struct curl_slist *)NULL);
    return explain(mailer, r);
}

int nv_mailer_send(struct nv_mailer *mailer, const struct nv_mail *mail)
{
    struct curl_slist *recipients = NULL;
    int r = nv_transfer_check(&mailer->transfer);

    if (r < 0)
        return r;
    r = add_recipients(mailer, mail, &recipients);
    if (r == 0)
        r = send_to(mailer, mail, recipients);
    curl_slist_free_all(recipients);
    return r;
}

const char *nv_mailer_error(const struct nv_mailer *mailer)
{
    return mailer->transfer.error;
}

void nv_mailer_cancel(struct nv_mailer *mailer)
{
    nv_transfer_cancel(&mailer->transfer);
}
