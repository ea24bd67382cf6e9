/*
 * troubles.c - answers other than 200, said so that the reader knows what to do: who asked, with what, and what the target
 * says of it.
 */
#include <stdio.h>

#include "base/utf8.h"
#include "scrape/ask.h"
#include "scrape/inside.h"

/* With what a job presents itself. */
static void write_identity(const struct nv_http_config *http, struct nv_buf *out)
{
    if (http->credentials_file)
        nv_buf_printf(out, "the token in %s", http->credentials_file);
    else if (http->credentials)
        nv_buf_text(out, "the configured credentials");
    else if (http->username)
        nv_buf_printf(out, "user \"%s\" with this password", http->username);
    else if (http->has_basic_auth)
        nv_buf_text(out, "the configured user and password");
    else if (http->tls.cert || http->tls.cert_file)
        nv_buf_text(out, "the client certificate");
}

static void write_hint(const struct nv_http_config *http, int status, struct nv_buf *out)
{
    NV_AUTO_BUF identity = NV_BUF(1024);

    write_identity(http, &identity);
    struct nv_str who = nv_buf_view(&identity);
    if (status == 401 && !who.n)
        nv_buf_text(out, ": the target wants to know who asks, and the job has no credentials");
    else if (status == 401)
        nv_buf_printf(out, ": the target does not accept %.*s", NV_ARGS(who));
    else if (status == 403 && !who.n)
        nv_buf_text(out, ": the target lets nobody read this without credentials");
    else if (status == 403)
        nv_buf_printf(out, ": %.*s may not read this: a permission is missing", NV_ARGS(who));
    else if (status >= 300 && status < 400)
        nv_buf_text(out,
                    http->follow_redirects ? ": it leads nowhere" : ": follow_redirects is off");
}

/* One line: what is no text, and runs of blanks, become one blank each. */
static void write_excerpt(struct nv_str excerpt, struct nv_buf *out)
{
    bool blank = true;

    while (excerpt.n) {
        size_t n = nv_utf8_length(excerpt);
        unsigned char c = (unsigned char)excerpt.p[0];
        if (n && c > ' ' && c != 0x7f) {
            nv_buf_add(out, excerpt.p, n);
            blank = false;
        } else if (!blank) {
            nv_buf_char(out, ' ');
            blank = true;
        }
        excerpt = nv_str_from(excerpt, n ? n : 1);
    }
}

void nv_scrape_refusal(const struct nv_config_scrape *config, int status, struct nv_str excerpt,
                       char ret[NV_SCRAPE_ERROR_MAX])
{
    NV_AUTO_BUF text = NV_BUF(4096), said = NV_BUF(1024);

    nv_buf_text(&text, "server returned HTTP status ");
    nv_scrape_write_status(status, &text);
    write_hint(&config->http, status, &text);
    write_excerpt(excerpt, &said);
    struct nv_str line = nv_str_trim(nv_buf_view(&said));
    if (line.n)
        nv_buf_printf(&text, "; it says: %.*s", NV_ARGS(line));
    snprintf(ret, NV_SCRAPE_ERROR_MAX, "%s", nv_buf_c_string(&text));
}
