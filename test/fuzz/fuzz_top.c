/*
 * fuzz_top.c - whatever a server says and however large the terminal is: what is drawn are characters of one place, within
 * the screen. The first byte is the width, the second how it is looked at; the rest is the answer.
 */
#include <stdint.h>

#include "base/assert.h"
#include "base/utf8.h"
#include "cli/top_keys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MEMORY_MAX = 16 << 20 };

static bool is_ours(uint32_t c)
{
    return c == 0x2026 || c == 0x2588 || c == 0x2591 || c == 0x25b4 || c == 0x25be ||
           (c >= 0x2800 && c <= 0x28ff);
}

static bool is_letter(uint32_t c)
{
    return (c >= 0xa1 && c <= 0x2ff && c != 0xad) || (c >= 0x391 && c <= 0x482) ||
           (c >= 0x48a && c <= 0x52f);
}

static void check(const struct nv_top_screen *screen)
{
    NV_AUTO_BUF text = NV_BUF(8 * NV_TOP_WIDTH_MAX * NV_TOP_LINES_MAX);

    for (size_t i = 0; i < screen->width * (screen->height + 1); i++) {
        uint32_t c = screen->cells[i].c;
        nv_assert(screen->cells[i].style < NV_TOP_N_STYLES);
        nv_assert((c >= 0x20 && c < 0x7f) || (screen->utf8 && (is_ours(c) || is_letter(c))));
    }
    nv_top_print(screen, &text);
    nv_assert(!text.failed && nv_utf8_valid(nv_buf_view(&text)));
}

/* Each line is clicked, and drawn as it is then. */
static void use(const struct nv_top_data *top, struct nv_top_view *view,
                struct nv_top_screen *screen, size_t x)
{
    struct nv_top_control control = {.view = view};
    size_t width = screen->width;

    nv_top_control_fit(&control, screen, 24);
    for (size_t y = 0; y < 24; y++) {
        nv_top_click(&control, NV_TOP_BUTTON_LEFT, x % width, y);
        nv_top_press(&control, y % 3 ? 'j' : 's', false);
        screen = nv_top_screen_new(width, 64, false);
        nv_assert(screen);
        nv_top_draw(screen, top, view);
        check(screen);
        nv_top_control_fit(&control, screen, 24);
    }
    nv_top_screen_free(control.screen);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nv_top_view view;

    if (size < 2)
        return 0;
    nv_top_view_init(&view);
    view.span_ms = 300000;
    view.flat = data[1] & 2;
    view.help = (data[1] & 0xf0) == 0xf0;
    view.alone = (data[1] >> 2) & 8 ? data[0] % (NV_TOP_N_PANELS + 1) : 0;
    NV_AUTO(nv_top_data) *top = nv_top_data_new();
    NV_AUTO(nv_top_screen) *screen = nv_top_screen_new(data[0], 64, data[1] & 1);
    struct nv_str answer = {(const char *)data + 2, size - 2};
    nv_assert(top && screen);
    top->now.memory = NV_ARENA(MEMORY_MAX);
    top->history.memory = NV_ARENA(MEMORY_MAX);
    int r = nv_query_read_data(&top->now, NV_QUERY_INSTANT, answer);
    if (r < 0) { /* what is no answer of now may be one of then */
        nv_answer_done(&top->now);
        top->now = (struct nv_answer){.memory = NV_ARENA(MEMORY_MAX)};
    }
    r = nv_query_read_data(&top->history, r < 0 ? NV_QUERY_RANGE : NV_QUERY_INSTANT, answer);
    if (r == 0) {
        nv_top_data_sort(top);
        nv_top_draw(screen, top, &view);
        check(screen);
        use(top, &view, nv_take(screen), data[0]);
    }
    return 0;
}
