/*
 * top_draw.h - what the panels of top are drawn with: a place that is filled line by line, and numbers as text.
 */
#ifndef NV_CLI_TOP_DRAW_H
#define NV_CLI_TOP_DRAW_H

#include "cli/top.h"

enum { NV_TOP_NUMBER = 10 }; /* places of a column of numbers */

/* Where a panel goes, and how far it has come. */
struct nv_top_area {
    struct nv_top_screen *screen;
    const struct nv_top_data *data;
    const struct nv_top_view *view;
    size_t x, y, width;
};

/* Text at a place of the line; without what is wider than the area. */
void nv_top_area_put(struct nv_top_area *a, size_t x, size_t width, enum nv_top_style style,
                     struct nv_str text);

/* A place of the line for the mouse; what is not given is 0. */
struct nv_top_spot *nv_top_area_spot(struct nv_top_area *a, enum nv_top_spot_kind kind,
                                     enum nv_top_panel panel, size_t x, size_t width);

/* The name of a panel, which a click gives the whole screen. Returns where it ends. */
size_t nv_top_area_title(struct nv_top_area *a, enum nv_top_panel panel);

/* Makes the line a row that can be chosen; what there is to know of the chosen one stands at the foot. */
void nv_top_area_row(struct nv_top_area *a, enum nv_top_panel panel, const struct nv_top_row *row);

/* How many rows of a panel have room; says how many have not. */
size_t nv_top_area_most(const struct nv_top_area *a);
void nv_top_area_more(struct nv_top_area *a, size_t n);

/* What was, of the series of a part whose label has that value, as shares of `full`. */
struct nv_top_past {
    double values[NV_TOP_POINTS];
    double most; /* finite one of them; 0 for none */
};
void nv_top_past_read(struct nv_top_past *ret, const struct nv_top_area *a, enum nv_top_part part,
                      const char *label, struct nv_str value);

/* Labels but those that say nothing here. */
void nv_top_write_labels(struct nv_buf *out, const struct nv_answer_series *series);

const char *nv_top_percent(char out[NV_CLI_TEXT_MAX], double value);
const char *nv_top_size(char out[NV_CLI_TEXT_MAX], double value);
enum nv_top_style nv_top_style_of(double value, double warn, double bad);

void nv_top_draw_cpu(struct nv_top_area *a, enum nv_top_panel panel);
void nv_top_draw_memory(struct nv_top_area *a, enum nv_top_panel panel);
void nv_top_draw_alerts(struct nv_top_area *a, enum nv_top_panel panel);
void nv_top_draw_table(struct nv_top_area *a, enum nv_top_panel panel);

#endif
