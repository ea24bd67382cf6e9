/*
 * top_live.c - top in a terminal.
 *
 * A thread asks, so that keys are heard while an agent is slow or away; there is one question at a time. What came last stays
 * on the screen until something newer comes.
 */
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/top.h"
#include "cli/top_terminal.h"

enum { POLL_MS = 500, SLOW_MS = 2000, WHEEL_LINES = 3 };

static const int64_t spans_ms[] = {60000,    120000,   300000,   900000,   3600000,
                                   10800000, 21600000, 86400000, 604800000};

struct asker {
    struct nv_top_source *source;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct nv_top_wish wish;
    bool wanted, busy, stop;
    struct nv_top_data *fresh;
    int answered_fd;
};

struct live {
    struct asker asker;
    struct nv_top_view *view;
    const struct nv_top_look *look;
    struct nv_top_data *data;
    struct nv_top_processes *processes;
    WINDOW *window;
    char error[NV_TOP_ERROR_MAX];
    size_t scroll, lines,
        room; /* of what scrolls: where it is, how much there is, how much is seen */
    int64_t asked_ms, next_ms; /* CLOCK_MONOTONIC */
    int64_t history_at;        /* step of the history, 0 to ask for it anew */
    int64_t newest_ms;         /* of what was live */
    bool ask, quit, ended;
};

/* ---- asking --------------------------------------------------------------------------------- */

static void *run_asker(void *user)
{
    struct asker *asker = user;

    nv_top_terminal_guard();
    pthread_mutex_lock(&asker->lock);
    while (!asker->stop) {
        if (!asker->wanted) {
            pthread_cond_wait(&asker->changed, &asker->lock);
            continue;
        }
        struct nv_top_wish wish = asker->wish;
        asker->wanted = false;
        pthread_mutex_unlock(&asker->lock);
        struct nv_top_data *data = nv_top_data_new();
        if (data)
            nv_top_ask(asker->source, &wish, data);
        pthread_mutex_lock(&asker->lock);
        asker->fresh = data;
        asker->busy = false;
        eventfd_write(asker->answered_fd, 1);
    }
    pthread_mutex_unlock(&asker->lock);
    return NULL;
}

/* Signals are the terminal's thread's. */
static int start_asker(struct asker *asker, struct nv_top_source *source)
{
    sigset_t all, before;

    *asker = (struct asker){
        .source = source,
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .changed = PTHREAD_COND_INITIALIZER,
        .answered_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
    };
    if (asker->answered_fd < 0)
        return -errno;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(&asker->thread, NULL, run_asker, asker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r)
        close(asker->answered_fd);
    return -r;
}

static void stop_asker(struct asker *asker)
{
    pthread_mutex_lock(&asker->lock);
    asker->stop = true;
    pthread_cond_signal(&asker->changed);
    pthread_mutex_unlock(&asker->lock);
    if (!asker->source->folder)
        nv_http_cancel(asker->source->server.http);
    pthread_join(asker->thread, NULL);
    nv_top_data_free(asker->fresh);
    close(asker->answered_fd);
}

/* Asks when it is time, or when what is wanted changed; history only where it has a new point. */
static void ask(struct live *live)
{
    struct asker *asker = &live->asker;
    int64_t now_ms = nv_monotonic_ns() / 1000000, step_ms = nv_top_step(live->view->span_ms);
    bool moves = !live->view->at_ms && !live->view->paused && !live->ended;
    bool due = (moves || live->error[0]) && now_ms >= live->next_ms;

    if (!live->ask && !due)
        return;
    pthread_mutex_lock(&asker->lock);
    if (!asker->busy) {
        int64_t at = nv_wall_ms() / step_ms;
        asker->wish = (struct nv_top_wish){live->view->at_ms, live->view->span_ms,
                                           live->ask || at != live->history_at};
        asker->busy = asker->wanted = true;
        live->history_at = at;
        live->ask = false;
        live->asked_ms = now_ms;
        live->next_ms = now_ms + live->look->interval_ms;
        pthread_cond_signal(&asker->changed);
    }
    pthread_mutex_unlock(&asker->lock);
}

/* Only of this moment and this node. */
static void read_processes(struct live *live)
{
    int64_t now_ns = nv_monotonic_ns(), begun_ns = nv_clock_ns(CLOCK_THREAD_CPUTIME_ID);

    if (live->view->at_ms || !nv_top_is_here(live->asker.source, live->data) ||
        !nv_top_processes_due(live->processes, now_ns))
        return;
    nv_top_processes_read(live->processes, "/proc", now_ns);
    nv_top_processes_took(live->processes, now_ns, nv_clock_ns(CLOCK_THREAD_CPUTIME_ID) - begun_ns);
}

/* Takes what came. Returns whether anything did. */
static bool take(struct live *live)
{
    eventfd_t count;

    if (eventfd_read(live->asker.answered_fd, &count) < 0)
        return false;
    pthread_mutex_lock(&live->asker.lock);
    struct nv_top_data *fresh = live->asker.fresh;
    live->asker.fresh = NULL;
    live->ended = live->asker.source->ended;
    pthread_mutex_unlock(&live->asker.lock);
    snprintf(live->error, sizeof(live->error), "%s", fresh ? fresh->error : "out of memory");
    if (!fresh || fresh->error[0]) {
        nv_top_data_free(fresh);
        live->history_at = 0;
        return true;
    }
    if (!fresh->has_history) {
        fresh->history = live->data->history;
        live->data->history = (struct nv_answer){.memory = NV_ARENA(0)};
    }
    nv_top_data_free(live->data);
    live->data = fresh;
    live->newest_ms = live->newest_ms > fresh->time_ms ? live->newest_ms : fresh->time_ms;
    read_processes(live);
    return true;
}

/* ---- painting ------------------------------------------------------------------------------- */

static void set_style(const struct live *live, enum nv_top_style style)
{
    static const attr_t attributes[NV_TOP_N_STYLES] = {
        [NV_TOP_TITLE] = A_BOLD, [NV_TOP_BAD] = A_BOLD, [NV_TOP_BAR] = A_REVERSE};

    wattr_set(live->window, attributes[style], live->look->colors ? (short)style : 0, NULL);
}

static void prepare_colors(void)
{
    const short dim = tigetnum("colors") >= 256 ? 246 : -1;
    const short fronts[NV_TOP_N_STYLES] = {
        [NV_TOP_PLAIN] = -1,         [NV_TOP_TITLE] = COLOR_CYAN,  [NV_TOP_DIM] = dim,
        [NV_TOP_GOOD] = COLOR_GREEN, [NV_TOP_WARN] = COLOR_YELLOW, [NV_TOP_BAD] = COLOR_RED,
        [NV_TOP_BAR] = -1,
    };

    start_color();
    use_default_colors();
    for (short i = 1; i < NV_TOP_N_STYLES; i++)
        init_pair(i, fronts[i], -1);
}

/* Runs of a style at once. */
static void paint_line(const struct live *live, const struct nv_top_screen *screen, size_t from,
                       int y)
{
    const struct nv_top_cell *line = &screen->cells[from * screen->width];
    wchar_t text[NV_TOP_WIDTH_MAX];

    wmove(live->window, y, 0);
    for (size_t x = 0; x < screen->width;) {
        size_t n = 0;
        uint8_t style = line[x].style;
        for (; x < screen->width && line[x].style == style; x++)
            text[n++] = (wchar_t)line[x].c;
        set_style(live, style);
        waddnwstr(live->window, text, (int)n);
    }
}

static bool is_slow(struct live *live)
{
    pthread_mutex_lock(&live->asker.lock);
    bool busy = live->asker.busy;
    pthread_mutex_unlock(&live->asker.lock);
    return busy && nv_monotonic_ns() / 1000000 - live->asked_ms >= SLOW_MS;
}

static void paint(struct live *live)
{
    char slow[NV_CLI_TEXT_MAX];
    int height = getmaxy(live->window), width = getmaxx(live->window);
    NV_AUTO(nv_top_screen) *screen =
        height > 0 && width > 0
            ? nv_top_screen_new((size_t)width, NV_TOP_LINES_MAX, live->look->utf8)
            : NULL;

    if (!screen)
        return;
    live->view->error = live->error;
    if (is_slow(live)) {
        snprintf(slow, sizeof(slow), "no answer for %lld s",
                 (long long)(nv_monotonic_ns() / 1000000 - live->asked_ms) / 1000);
        live->view->error = slow;
    }
    live->view->processes =
        nv_top_processes_sort(live->processes, live->view->order, &live->view->n_processes);
    if (live->view->at_ms)
        live->view->n_processes = 0;
    live->view->ended = live->ended;
    nv_top_draw(screen, live->data, live->view);
    size_t rows = (size_t)height;
    size_t head = screen->head < rows ? screen->head : rows;
    live->room = rows - head;
    live->lines = screen->used > screen->head ? screen->used - screen->head : 0;
    size_t last = live->lines > live->room ? live->lines - live->room : 0;
    live->scroll = live->scroll > last ? last : live->scroll;
    werase(live->window);
    for (size_t y = 0; y < rows; y++) {
        size_t from = y < head ? y : y + live->scroll;
        if (from < screen->used)
            paint_line(live, screen, from, (int)y);
    }
    nv_top_terminal_show(live->window);
}

/* ---- keys ----------------------------------------------------------------------------------- */

static void zoom(struct live *live, int by)
{
    size_t i = 0;

    while (i + 1 < NV_LEN(spans_ms) && spans_ms[i] < live->view->span_ms)
        i++;
    if (by > 0 && i + 1 < NV_LEN(spans_ms))
        i++;
    else if (by < 0 && i > 0)
        i--;
    live->view->span_ms = spans_ms[i];
    live->ask = true;
}

/* Past the newest there is, it is live again. */
static void travel(struct live *live, int64_t by_ms)
{
    int64_t from_ms = live->view->at_ms ? live->view->at_ms : live->data->time_ms, at_ms;
    int64_t newest_ms = live->ended ? live->newest_ms : nv_wall_ms();

    if (!from_ms || __builtin_add_overflow(from_ms, by_ms, &at_ms))
        return;
    live->view->at_ms = at_ms >= newest_ms ? 0 : at_ms < 1 ? 1 : at_ms;
    live->ask = true;
}

static void scroll_by(struct live *live, long lines)
{
    if (lines < 0 && live->scroll < (size_t)-lines)
        live->scroll = 0;
    else
        live->scroll += (size_t)lines; /* paint() knows the end */
}

static void type_filter(struct live *live, int key, bool is_function)
{
    char *filter = live->view->filter;
    size_t n = strlen(filter);

    if (!is_function && (key == '\n' || key == '\r')) {
        live->view->filtering = false;
    } else if (!is_function && key == 27) {
        live->view->filtering = false;
        filter[0] = '\0';
    } else if (n && ((is_function && key == KEY_BACKSPACE) || key == 127 || key == 8)) {
        filter[n - 1] = '\0';
    } else if (!is_function && key >= 0x20 && key < 0x7f && n + 1 < NV_TOP_FILTER_MAX) {
        filter[n] = (char)key;
        filter[n + 1] = '\0';
    }
}

static void press_mouse(struct live *live)
{
    MEVENT event;

    if (getmouse(&event) != OK)
        return;
    if (event.bstate & BUTTON4_PRESSED)
        scroll_by(live, -WHEEL_LINES);
    else if (event.bstate & BUTTON5_PRESSED)
        scroll_by(live, WHEEL_LINES);
}

static void press_function(struct live *live, int key)
{
    int64_t step_ms = nv_top_step(live->view->span_ms);
    long page = live->room > 1 ? (long)live->room - 1 : 1;

    switch (key) {
    case KEY_LEFT:
        travel(live, -step_ms);
        break;
    case KEY_RIGHT:
        travel(live, step_ms);
        break;
    case KEY_UP:
    case KEY_DOWN:
        scroll_by(live, key == KEY_UP ? -1 : 1);
        break;
    case KEY_PPAGE:
    case KEY_NPAGE:
        scroll_by(live, key == KEY_PPAGE ? -page : page);
        break;
    case KEY_HOME:
        live->scroll = 0;
        break;
    case KEY_MOUSE:
        press_mouse(live);
        break;
    default: /* KEY_RESIZE among them: all is painted after a key */
        break;
    }
}

static void press(struct live *live, int key)
{
    struct nv_top_view *view = live->view;

    switch (key) {
    case 'q':
        live->quit = true;
        break;
    case '?':
        view->help = !view->help;
        live->scroll = 0;
        break;
    case ' ':
        view->paused = !view->paused;
        break;
    case 'n':
        view->at_ms = 0;
        view->paused = false;
        live->ask = true;
        break;
    case '[':
    case ']':
        travel(live, key == '[' ? -view->span_ms : view->span_ms);
        break;
    case '-':
    case '+':
    case '=':
        zoom(live, key == '-' ? 1 : -1);
        break;
    case 's':
        view->order = (view->order + 1) % NV_TOP_N_ORDERS;
        break;
    case 'c':
    case 'm':
    case 'a':
        view->order = key == 'c' ? NV_TOP_BY_CPU : key == 'm' ? NV_TOP_BY_MEMORY : NV_TOP_BY_NAME;
        break;
    case 't':
        view->flat = !view->flat;
        break;
    case '/':
        view->filtering = true;
        break;
    case 27:
        view->filter[0] = '\0';
        view->help = false;
        break;
    case 12: /* ^L */
        clearok(live->window, true);
        break;
    default:
        if (key >= '1' && key < '1' + NV_TOP_N_PANELS)
            view->hidden ^= 1u << (key - '1');
    }
}

static bool hear(struct live *live)
{
    bool any = false;
    wint_t key;
    int r;

    while ((r = wget_wch(live->window, &key)) != ERR && !live->quit) {
        bool is_function = r == KEY_CODE_YES;
        any = true;
        if (live->view->filtering && !(is_function && (int)key == KEY_RESIZE))
            type_filter(live, (int)key, is_function);
        else if (is_function)
            press_function(live, (int)key);
        else
            press(live, (int)key);
    }
    return any;
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* Until the next question is due, as far as it could be asked then. */
static int wait_ms(struct live *live)
{
    int64_t left = live->next_ms - nv_monotonic_ns() / 1000000;

    pthread_mutex_lock(&live->asker.lock);
    bool busy = live->asker.busy;
    pthread_mutex_unlock(&live->asker.lock);
    return busy || left > POLL_MS ? POLL_MS : left < 1 ? 1 : (int)left;
}

static void run(struct live *live)
{
    struct pollfd fds[] = {
        {.fd = STDIN_FILENO,            .events = POLLIN},
        {.fd = live->asker.answered_fd, .events = POLLIN}
    };

    live->ask = true;
    paint(live);
    while (!live->quit && !nv_top_terminal_ended()) {
        ask(live);
        bool idle = live->view->at_ms || live->view->paused || live->ended;
        int r = poll(fds, NV_LEN(fds), idle ? POLL_MS : wait_ms(live));
        if (r > 0 && fds[0].revents & (POLLHUP | POLLERR | POLLNVAL))
            return;
        bool anew = nv_top_terminal_stopped();
        if (nv_top_terminal_ended())
            return;
        if (anew)
            clearok(live->window, true);
        bool heard = hear(live), came = take(live);
        if (anew || heard || came || is_slow(live))
            paint(live);
    }
}

int nv_top_live(struct nv_top_source *source, struct nv_top_view *view,
                const struct nv_top_look *look)
{
    struct nv_top_look fitting = *look;
    struct live live = {
        .view = view, .look = &fitting, .data = nv_top_data_new(), .ended = view->ended};
    NV_AUTO(nv_top_processes) *processes = nv_top_processes_new();

    if (!live.data || !processes) {
        nv_top_data_free(live.data);
        return nv_cli_error(1, "out of memory");
    }
    live.processes = processes;
    setlocale(LC_CTYPE, "");
    fitting.utf8 = look->utf8 && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    int status = nv_top_terminal_open(&live.window);
    if (status == 0) {
        mousemask(BUTTON4_PRESSED | BUTTON5_PRESSED, NULL);
        mouseinterval(0);
        fitting.colors = look->colors && has_colors();
        if (fitting.colors)
            prepare_colors();
        int r = start_asker(&live.asker, source);
        if (r == 0)
            run(&live);
        nv_top_terminal_close();
        if (r == 0)
            stop_asker(&live.asker);
        else
            status = nv_cli_error(1, "cannot start a thread: %s", strerror(-r));
    }
    nv_top_data_free(live.data);
    return status;
}
