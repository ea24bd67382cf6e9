/*
 * chart.h - the parts of a chart in a terminal: a canvas of dots, and axes.
 *
 *   canvas   cells of 2 by 4 dots, shown as Braille; or of one, shown as the mark of who drew last
 *   axes     ticks at round values; those of an axis share one unit: 0.5G 1.0G 1.5G
 *   threads  one
 */
#ifndef NV_CLI_CHART_H
#define NV_CLI_CHART_H

#include "base/buf.h"

/* ---- canvas --------------------------------------------------------------------------------- */

struct nv_canvas {
    unsigned width, height;          /* cells */
    unsigned per_cell_x, per_cell_y; /* dots */
    uint8_t *dots, *owners;          /* by cell; an owner is a number from 1 on */
};

/* Returns 0 or -ENOMEM. */
NV_MUST_USE int nv_canvas_init(struct nv_canvas *canvas, unsigned width, unsigned height,
                               bool braille);
void nv_canvas_done(struct nv_canvas *canvas);

/* A straight line of dots, ends included; (0, 0) is left and on top. What lies outside is left out. */
void nv_canvas_line(struct nv_canvas *canvas, int x0, int y0, int x1, int y1, uint8_t owner);

/* Appends a cell as UTF-8, or as marks[owner]; a blank where there is nothing. Returns its owner, or 0. */
uint8_t nv_canvas_cell(const struct nv_canvas *canvas, unsigned x, unsigned y, const char *marks,
                       struct nv_buf *out);

/* ---- axes ----------------------------------------------------------------------------------- */

enum { NV_AXIS_TEXT_MAX = 48 };

/* Units of numbers: k M G with powers of 1000, Ki Mi Gi with those of 1024, micro and n below 0.001. */
struct nv_axis_unit {
    double factor;
    const char *name;
};
struct nv_axis_unit nv_axis_unit(double largest, bool binary, bool utf8);

/* An axis of values. Ticks are low, low + step ... high. */
struct nv_axis {
    double low, high, step;
    unsigned n_ticks;
    struct nv_axis_unit unit;
    int digits; /* behind the point */
};

/* Covers both, with at most max_ticks + 1 ticks; zero is included where it is near. */
void nv_axis_init(struct nv_axis *axis, double least, double most, unsigned max_ticks, bool binary,
                  bool utf8);
double nv_axis_value(const struct nv_axis *axis, unsigned tick);
const char *nv_axis_text(char out[NV_AXIS_TEXT_MAX], const struct nv_axis *axis, double value);

/* A number with a unit of its own and four digits: "1.234k", "15.6Gi". */
const char *nv_axis_number(char out[NV_AXIS_TEXT_MAX], double value, bool binary, bool utf8);

/* An axis of times, in the zone of $TZ. */
struct nv_time_axis {
    int64_t first_ms, step_ms; /* of the ticks, which are whole in local time; step 0: none fits */
    char zone[16];
};
enum { NV_TIME_TEXT = 8 }; /* characters of the longest text of a tick */

/* `max_ticks`: how many texts have room. */
void nv_time_axis_init(struct nv_time_axis *axis, int64_t start_ms, int64_t end_ms,
                       unsigned max_ticks);
const char *nv_time_axis_text(char out[NV_AXIS_TEXT_MAX], const struct nv_time_axis *axis,
                              int64_t time_ms);

#endif
