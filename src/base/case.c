#include "base/case.h"

#include <locale.h>
#include <pthread.h>
#include <wctype.h>

#include "base/utf8.h"

/* What glibc knows of Unicode, whatever locale the process has; without that locale only ASCII has cases. */
static locale_t unicode;

static void open_unicode(void)
{
    unicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

static locale_t get_unicode(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, open_unicode);
    return unicode;
}

uint32_t nv_upper(uint32_t c)
{
    if (c < 0x80)
        return c >= 'a' && c <= 'z' ? c - 32 : c;
    return get_unicode() ? (uint32_t)towupper_l((wint_t)c, unicode) : c;
}

static uint32_t lower(uint32_t c)
{
    if (c < 0x80)
        return c >= 'A' && c <= 'Z' ? c + 32 : c;
    return get_unicode() ? (uint32_t)towlower_l((wint_t)c, unicode) : c;
}

bool nv_is_letter(uint32_t c)
{
    if (c < 0x80)
        return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
    return get_unicode() && iswalpha_l((wint_t)c, unicode);
}

static void change(struct nv_buf *out, struct nv_str text, uint32_t (*map)(uint32_t c))
{
    while (text.n) {
        char bytes[4];
        uint32_t c = 0xfffd;
        size_t n = nv_utf8_decode(text, &c);
        nv_buf_add(out, bytes, nv_utf8_encode(bytes, map(n ? c : 0xfffd)));
        text = nv_str_from(text, n ? n : 1);
    }
}

void nv_utf8_upper(struct nv_buf *out, struct nv_str text)
{
    change(out, text, nv_upper);
}

void nv_utf8_lower(struct nv_buf *out, struct nv_str text)
{
    change(out, text, lower);
}
