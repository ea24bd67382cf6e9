/*
 * top_screen.c - a screen in memory.
 *
 * Label values come from anywhere, and what a terminal makes of a character is its own affair: so only blocks of letters stand
 * on the screen that each take one place, stand alone and run from left to right.
 */
#include <math.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "cli/top.h"

static const struct {
    uint32_t first, last;
} letters[] = {
    {0x00a1, 0x00ac}, /* Latin, without the soft hyphen */
    {0x00ae, 0x02ff},
    {0x0391, 0x03a1}, /* Greek */
    {0x03a3, 0x03ff},
    {0x0400, 0x0482}, /* Cyrillic, without what combines */
    {0x048a, 0x052f},
};

void nv_top_screen_free(struct nv_top_screen *screen)
{
    if (!screen)
        return;
    free(screen->cells);
    free(screen->spots);
    free(screen);
}

struct nv_top_screen *nv_top_screen_new(size_t width, size_t height, bool utf8)
{
    struct nv_top_screen *screen = calloc(1, sizeof(*screen));

    if (!screen)
        return NULL;
    screen->width = width > NV_TOP_WIDTH_MAX ? NV_TOP_WIDTH_MAX : width ? width : 1;
    screen->height = height > NV_TOP_LINES_MAX ? NV_TOP_LINES_MAX : height ? height : 1;
    screen->utf8 = utf8;
    screen->cells = calloc(screen->width * (screen->height + 1), sizeof(*screen->cells));
    screen->spots = calloc(NV_TOP_SPOTS_MAX, sizeof(*screen->spots));
    if (!screen->cells || !screen->spots) {
        nv_top_screen_free(screen);
        return NULL;
    }
    for (size_t i = 0; i < screen->width * (screen->height + 1); i++)
        screen->cells[i].c = ' ';
    return screen;
}

static void set(struct nv_top_screen *screen, size_t x, size_t y, enum nv_top_style style,
                uint32_t c)
{
    if (x >= screen->width || y > screen->height)
        return;
    screen->cells[y * screen->width + x] = (struct nv_top_cell){c, (uint8_t)style, false};
    if (y == screen->height)
        screen->has_foot = true;
    else
        screen->used = y >= screen->used ? y + 1 : screen->used;
}

static uint32_t plain(const struct nv_top_screen *screen, uint32_t c)
{
    if (c >= 0x20 && c < 0x7f)
        return c;
    for (size_t i = 0; screen->utf8 && i < NV_LEN(letters); i++) {
        if (c >= letters[i].first && c <= letters[i].last)
            return c;
    }
    return '?';
}

size_t nv_top_put(struct nv_top_screen *screen, size_t x, size_t y, size_t width,
                  enum nv_top_style style, struct nv_str text)
{
    size_t at = 0;

    while (text.n && at < width) {
        uint32_t c = 0xfffd;
        size_t n = nv_utf8_decode(text, &c);
        text = nv_str_from(text, n ? n : 1);
        bool cut = at + 1 == width && text.n;
        set(screen, x + at++, y, style,
            !cut           ? plain(screen, n ? c : 0xfffd)
            : screen->utf8 ? 0x2026 /* an ellipsis */
                           : '~');
    }
    return at;
}

void nv_top_put_right(struct nv_top_screen *screen, size_t x, size_t y, size_t width,
                      enum nv_top_style style, struct nv_str text)
{
    size_t n = 0;

    for (struct nv_str rest = text; rest.n; n++) {
        size_t length = nv_utf8_length(rest);
        rest = nv_str_from(rest, length ? length : 1);
    }
    size_t pad = n < width ? width - n : 0;
    nv_top_put(screen, x + pad, y, width - pad, style, text);
}

void nv_top_put_bar(struct nv_top_screen *screen, size_t x, size_t y, size_t width,
                    enum nv_top_style style, double share)
{
    double clamped = share > 0 ? (share < 1 ? share : 1) : 0; /* NAN: 0 */
    size_t filled = (size_t)lround(clamped * (double)width);

    for (size_t i = 0; i < width; i++) {
        bool on = i < filled;
        set(screen, x + i, y, on ? style : NV_TOP_DIM,
            screen->utf8 ? (on ? 0x2588 : 0x2591) : (on ? '#' : '.'));
    }
}

/* Dots of a column of braille that fill it from below; something is always more than nothing. */
static unsigned level(double share, unsigned levels)
{
    if (!(share >= 0)) /* a gap */
        return 0;
    double n = ceil(share * levels);
    return n < 1 ? 1 : n > levels ? levels : (unsigned)n;
}

void nv_top_put_graph(struct nv_top_screen *screen, size_t x, size_t y, size_t width,
                      const double *values, size_t n, struct nv_top_scale scale)
{
    static const uint8_t left[] = {0, 0x40, 0x44, 0x46, 0x47},
                         right[] = {0, 0x80, 0xa0, 0xb0, 0xb8};
    static const char ascii[] = " .:-=+*#@";
    size_t each = screen->utf8 ? 2 : 1, room = width * each;
    size_t from = n > room ? n - room : 0, pad = n < room ? room - n : 0;

    for (size_t i = 0; i < width; i++) {
        double pair[2] = {NAN, NAN};
        for (size_t k = 0; k < each; k++) {
            size_t place = i * each + k;
            if (place >= pad)
                pair[k] = values[from + place - pad];
        }
        uint32_t c = screen->utf8
                         ? 0x2800u + left[level(pair[0] / scale.full, 4)] +
                               right[level(pair[1] / scale.full, 4)]
                         : (unsigned char)ascii[level(pair[0] / scale.full, sizeof(ascii) - 2)];
        double most = fmax(pair[0], pair[1]);
        set(screen, x + i, y,
            most >= scale.bad    ? NV_TOP_BAD
            : most >= scale.warn ? NV_TOP_WARN
                                 : NV_TOP_GOOD,
            c == 0x2800 ? ' ' : c);
    }
}

void nv_top_put_order(struct nv_top_screen *screen, size_t x, size_t y, bool rising)
{
    set(screen, x, y, NV_TOP_PLAIN,
        screen->utf8 ? (rising ? 0x25b4 : 0x25be) : (rising ? '+' : '-')); /* small triangles */
}

void nv_top_reverse(struct nv_top_screen *screen, size_t x, size_t y, size_t width)
{
    for (size_t i = x; i < screen->width && i - x < width && y < screen->height; i++)
        screen->cells[y * screen->width + i].reversed = true;
}

void nv_top_print(const struct nv_top_screen *screen, struct nv_buf *out)
{
    for (size_t y = 0; y < screen->used; y++) {
        const struct nv_top_cell *line = &screen->cells[y * screen->width];
        size_t n = screen->width;
        while (n && line[n - 1].c == ' ')
            n--;
        for (size_t x = 0; x < n; x++) {
            char bytes[4];
            nv_buf_add(out, bytes, nv_utf8_encode(bytes, line[x].c));
        }
        nv_buf_char(out, '\n');
    }
}

/* ---- the mouse ------------------------------------------------------------------------------ */

struct nv_top_spot *nv_top_spot_add(struct nv_top_screen *screen)
{
    size_t last = NV_TOP_SPOTS_MAX - 1;

    return &screen->spots[screen->n_spots < last ? screen->n_spots++ : last];
}

const struct nv_top_spot *nv_top_spot_at(const struct nv_top_screen *screen, size_t x, size_t y)
{
    for (size_t i = screen->n_spots; i; i--) {
        const struct nv_top_spot *spot = &screen->spots[i - 1];
        if (spot->y == y && x >= spot->x && x - spot->x < spot->width)
            return spot;
    }
    return NULL;
}
