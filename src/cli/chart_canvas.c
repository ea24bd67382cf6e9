/*
 * chart_canvas.c - dots that lines are drawn with.
 */
#include <errno.h>

#include "base/utf8.h"
#include "cli/chart.h"

enum { BRAILLE = 0x2800 };

/* A Braille character's bit of the dot in a column and a row. */
static const uint8_t bits[4][2] = {
    {0x01, 0x08},
    {0x02, 0x10},
    {0x04, 0x20},
    {0x40, 0x80},
};

int nv_canvas_init(struct nv_canvas *canvas, unsigned width, unsigned height, bool braille)
{
    *canvas = (struct nv_canvas){
        .width = width,
        .height = height,
        .per_cell_x = braille ? 2 : 1,
        .per_cell_y = braille ? 4 : 1,
        .dots = calloc(width, height),
        .owners = calloc(width, height),
    };
    if (canvas->dots && canvas->owners)
        return 0;
    nv_canvas_done(canvas);
    return -ENOMEM;
}

void nv_canvas_done(struct nv_canvas *canvas)
{
    free(canvas->dots);
    free(canvas->owners);
    canvas->dots = canvas->owners = NULL;
}

static void set(struct nv_canvas *canvas, int x, int y, uint8_t owner)
{
    unsigned column = (unsigned)x / canvas->per_cell_x, row = (unsigned)y / canvas->per_cell_y;

    if (x < 0 || y < 0 || column >= canvas->width || row >= canvas->height)
        return;
    size_t cell = (size_t)row * canvas->width + column;
    canvas->dots[cell] |= bits[(unsigned)y % canvas->per_cell_y][(unsigned)x % canvas->per_cell_x];
    canvas->owners[cell] = owner;
}

/* Bresenham's. */
void nv_canvas_line(struct nv_canvas *canvas, int x0, int y0, int x1, int y1, uint8_t owner)
{
    int dx = abs(x1 - x0), dy = -abs(y1 - y0);
    int step_x = x0 < x1 ? 1 : -1, step_y = y0 < y1 ? 1 : -1, error = dx + dy;

    for (;;) {
        set(canvas, x0, y0, owner);
        if (x0 == x1 && y0 == y1)
            return;
        int twice = 2 * error;
        if (twice >= dy) {
            error += dy;
            x0 += step_x;
        }
        if (twice <= dx) {
            error += dx;
            y0 += step_y;
        }
    }
}

uint8_t nv_canvas_cell(const struct nv_canvas *canvas, unsigned x, unsigned y, const char *marks,
                       struct nv_buf *out)
{
    size_t cell = (size_t)y * canvas->width + x;
    uint8_t owner = canvas->owners[cell];
    char bytes[4];

    if (!owner)
        nv_buf_char(out, ' ');
    else if (canvas->per_cell_x > 1)
        nv_buf_add(out, bytes, nv_utf8_encode(bytes, BRAILLE | canvas->dots[cell]));
    else
        nv_buf_char(out, marks[owner]);
    return owner;
}
