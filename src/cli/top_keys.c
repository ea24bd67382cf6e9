/*
 * top_keys.c - keys and the mouse. All is painted anew after each.
 */
#include "cli/top_keys.h"

#include "base/clock.h"
#include "base/terminal.h"

enum { WHEEL_LINES = 3, NOWHERE = NV_TOP_LINES_MAX + 1 };

static const int64_t spans_ms[] = {60000,    120000,   300000,   900000,   3600000,
                                   10800000, 21600000, 86400000, 604800000};

/* ---- what is seen --------------------------------------------------------------------------- */

void nv_top_control_fit(struct nv_top_control *control, struct nv_top_screen *screen, size_t height)
{
    size_t rows = height - (screen->has_foot && height > 1);
    size_t head = screen->head < rows ? screen->head : rows;
    size_t lines = screen->used > screen->head ? screen->used - screen->head : 0;

    nv_top_screen_free(control->screen);
    control->screen = screen;
    control->height = height;
    control->room = rows - head;
    size_t last = lines > control->room ? lines - control->room : 0;
    control->scroll = control->scroll > last ? last : control->scroll;
}

size_t nv_top_control_line(const struct nv_top_control *control, size_t y)
{
    const struct nv_top_screen *screen = control->screen;

    if (screen->has_foot && y + 1 == control->height)
        return screen->height;
    size_t line = y < screen->head ? y : y + control->scroll;
    return line < screen->used ? line : NOWHERE;
}

static void scroll_by(struct nv_top_control *control, long lines)
{
    if (lines < 0 && control->scroll < (size_t)-lines)
        control->scroll = 0;
    else
        control->scroll += (size_t)lines; /* nv_top_control_fit() knows the end */
}

/* ---- time ----------------------------------------------------------------------------------- */

static void zoom(struct nv_top_control *control, int by)
{
    size_t i = 0;

    while (i + 1 < NV_LEN(spans_ms) && spans_ms[i] < control->view->span_ms)
        i++;
    if (by > 0 && i + 1 < NV_LEN(spans_ms))
        i++;
    else if (by < 0 && i > 0)
        i--;
    control->view->span_ms = spans_ms[i];
    control->ask = true;
}

static int64_t newest(const struct nv_top_control *control)
{
    return control->ended ? control->newest_ms : nv_wall_ms() + control->ahead_ms;
}

/* What comes next is of that time, and the next step begins there. */
static void go_live(struct nv_top_control *control)
{
    control->view->at_ms = 0;
    control->time_ms = newest(control);
    control->ask = true;
}

/* Past the newest there is, it is live again. */
static void travel(struct nv_top_control *control, int64_t by_ms)
{
    struct nv_top_view *view = control->view;
    int64_t from_ms = view->at_ms ? view->at_ms : control->time_ms, at_ms;
    bool is_live = !view->at_ms && !view->paused;

    if (!from_ms || (is_live && by_ms > 0) || __builtin_add_overflow(from_ms, by_ms, &at_ms))
        return;
    view->at_ms = at_ms < 1 ? 1 : at_ms;
    control->ask = true;
    if (at_ms >= newest(control))
        go_live(control);
}

/* ---- panels and rows ------------------------------------------------------------------------ */

static void sort_by(struct nv_top_view *view, unsigned panel, size_t column)
{
    struct nv_top_sort *sort = &view->sorts[panel];

    *sort = (struct nv_top_sort){(uint8_t)column, sort->column == column && !sort->reversed};
}

static void sort_both(struct nv_top_view *view, size_t groups, size_t processes)
{
    view->sorts[NV_TOP_PANEL_GROUPS] = (struct nv_top_sort){(uint8_t)groups, false};
    view->sorts[NV_TOP_PANEL_PROCESSES] = (struct nv_top_sort){(uint8_t)processes, false};
}

/* Keys sort the panel of the row that is chosen. */
static unsigned panel_at_hand(const struct nv_top_view *view)
{
    return view->chosen.kind ? view->chosen.panel
           : view->alone     ? view->alone - 1
                             : NV_TOP_PANEL_GROUPS;
}

static void sort_by_next(struct nv_top_view *view)
{
    unsigned panel = panel_at_hand(view);
    size_t n = nv_top_columns((enum nv_top_panel)panel);

    if (n)
        sort_by(view, panel, (view->sorts[panel].column + 1u) % n);
}

static void show_alone(struct nv_top_control *control, unsigned panel)
{
    control->view->alone = control->view->alone == panel + 1 ? 0 : panel + 1;
    control->scroll = 0;
}

static bool is_row(const struct nv_top_spot *spot)
{
    return spot->kind == NV_TOP_SPOT_ROW || spot->kind == NV_TOP_SPOT_NODE;
}

static void choose(struct nv_top_control *control, const struct nv_top_spot *spot)
{
    size_t head = control->screen->head, room = control->room;

    if (!control->screen->has_foot && room > 1)
        room--; /* there will be one */
    control->view->chosen = *spot;
    if (spot->y < head + control->scroll)
        control->scroll = spot->y - head;
    else if (spot->y >= head + control->scroll + room)
        control->scroll = spot->y + 1 - head - room;
}

/* The one before or behind the chosen one, or the first. */
static void choose_next(struct nv_top_control *control, bool back)
{
    const struct nv_top_spot *before = NULL, *chosen = &control->view->chosen;
    bool found = !chosen->kind;

    for (size_t i = 0; control->screen && i < control->screen->n_spots; i++) {
        const struct nv_top_spot *spot = &control->screen->spots[i];
        if (!is_row(spot))
            continue;
        bool same = chosen->kind && spot->panel == chosen->panel && spot->key == chosen->key;
        if (same && back && before)
            choose(control, before);
        if (found && !back)
            choose(control, spot);
        if ((same && back) || (found && !back))
            return;
        found = found || same;
        before = spot;
    }
    if (!found)
        control->view->chosen.kind = NV_TOP_SPOT_NONE; /* it has gone */
}

static void fold(struct nv_top_control *control)
{
    if (control->view->chosen.kind == NV_TOP_SPOT_NODE)
        nv_top_fold(control->view, control->view->chosen.key);
}

/* ---- keys ----------------------------------------------------------------------------------- */

static void type_filter(struct nv_top_view *view, int key, bool is_function)
{
    char *filter = view->filter;
    size_t n = strlen(filter);

    if (!is_function && (key == '\n' || key == '\r')) {
        view->filtering = false;
    } else if (!is_function && key == 27) {
        view->filtering = false;
        filter[0] = '\0';
    } else if (n && ((is_function && key == KEY_BACKSPACE) || key == 127 || key == 8)) {
        filter[n - 1] = '\0';
    } else if (!is_function && key >= 0x20 && key < 0x7f && n + 1 < NV_TOP_FILTER_MAX) {
        filter[n] = (char)key;
        filter[n + 1] = '\0';
    }
}

static void press_function(struct nv_top_control *control, int key)
{
    int64_t step_ms = nv_top_step(control->view->span_ms);
    long page = control->room > 1 ? (long)control->room - 1 : 1;

    switch (key) {
    case KEY_LEFT:
    case KEY_RIGHT:
        travel(control, key == KEY_LEFT ? -step_ms : step_ms);
        break;
    case KEY_UP:
    case KEY_DOWN:
        scroll_by(control, key == KEY_UP ? -1 : 1);
        break;
    case KEY_PPAGE:
    case KEY_NPAGE:
        scroll_by(control, key == KEY_PPAGE ? -page : page);
        break;
    case KEY_HOME:
        control->scroll = 0;
        break;
    case KEY_END:
        scroll_by(control, NV_TOP_LINES_MAX);
        break;
    case KEY_ENTER:
        fold(control);
        break;
    default: /* KEY_RESIZE among them */
        break;
    }
}

static void press_panel(struct nv_top_control *control, unsigned panel)
{
    if (control->view->alone)
        show_alone(control, panel);
    else
        control->view->hidden ^= 1u << panel;
}

/* One thing at a time: the row, the panel that is alone, what is filtered. */
static void escape(struct nv_top_view *view)
{
    if (view->help)
        view->help = false;
    else if (view->chosen.kind)
        view->chosen.kind = NV_TOP_SPOT_NONE;
    else if (view->alone)
        view->alone = 0;
    else
        view->filter[0] = '\0';
}

static void press_character(struct nv_top_control *control, int key)
{
    struct nv_top_view *view = control->view;

    switch (key) {
    case 'q':
        control->quit = true;
        break;
    case '?':
        view->help = !view->help;
        control->scroll = 0;
        break;
    case ' ':
        view->paused = !view->paused;
        break;
    case 'n':
        view->paused = false;
        go_live(control);
        break;
    case '[':
    case ']':
        travel(control, key == '[' ? -view->span_ms : view->span_ms);
        break;
    case '-':
    case '+':
    case '=':
        zoom(control, key == '-' ? 1 : -1);
        break;
    case 'j':
    case 'k':
        choose_next(control, key == 'k');
        break;
    case '\n':
    case '\r':
        fold(control);
        break;
    case 's':
        sort_by_next(view);
        break;
    case 'r':
        view->sorts[panel_at_hand(view)].reversed ^= true;
        break;
    case 'c':
        sort_both(view, NV_TOP_GROUPS_CPU, NV_TOP_PROCESSES_CPU);
        break;
    case 'm':
        sort_both(view, NV_TOP_GROUPS_MEMORY, NV_TOP_PROCESSES_MEMORY);
        break;
    case 'a':
        sort_both(view, 0, 0);
        break;
    case 't':
        view->flat = !view->flat;
        break;
    case 'z':
        show_alone(control, view->alone ? view->alone - 1 : panel_at_hand(view));
        break;
    case '/':
        view->filtering = true;
        break;
    case 27:
        escape(view);
        break;
    default:
        if (key >= '1' && key < '1' + NV_TOP_N_PANELS)
            press_panel(control, (unsigned)(key - '1'));
    }
}

void nv_top_press(struct nv_top_control *control, int key, bool is_function)
{
    if (control->view->filtering && !(is_function && key == KEY_RESIZE))
        type_filter(control->view, key, is_function);
    else if (is_function)
        press_function(control, key);
    else
        press_character(control, key);
}

/* ---- the mouse ------------------------------------------------------------------------------ */

static void click_left(struct nv_top_control *control, const struct nv_top_spot *spot)
{
    switch ((enum nv_top_spot_kind)spot->kind) {
    case NV_TOP_SPOT_TITLE:
        show_alone(control, spot->panel);
        break;
    case NV_TOP_SPOT_HEAD:
        sort_by(control->view, spot->panel, spot->column);
        break;
    case NV_TOP_SPOT_ROW:
    case NV_TOP_SPOT_NODE:
        choose(control, spot);
        fold(control);
        break;
    case NV_TOP_SPOT_NONE:
        break;
    }
}

void nv_top_click(struct nv_top_control *control, enum nv_top_button button, size_t x, size_t y)
{
    if (button == NV_TOP_WHEEL_UP || button == NV_TOP_WHEEL_DOWN) {
        scroll_by(control, button == NV_TOP_WHEEL_UP ? -WHEEL_LINES : WHEEL_LINES);
        return;
    }
    if (!control->screen)
        return;
    const struct nv_top_spot *spot =
        nv_top_spot_at(control->screen, x, nv_top_control_line(control, y));
    if (spot && button == NV_TOP_BUTTON_LEFT)
        click_left(control, spot);
    else if (spot && spot->kind == NV_TOP_SPOT_TITLE)
        control->view->hidden |= 1u << spot->panel;
}
