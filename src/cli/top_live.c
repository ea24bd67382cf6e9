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
#include "cli/top_keys.h"
#include "cli/top_terminal.h"

enum { POLL_MS = 500, SLOW_MS = 2000 };

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
    struct nv_top_control control;
    struct nv_top_view *view; /* the control's */
    const struct nv_top_look *look;
    struct nv_top_data *data;
    struct nv_top_processes *processes;
    WINDOW *window;
    char error[NV_TOP_ERROR_MAX];
    int64_t asked_ms, next_ms; /* CLOCK_MONOTONIC */
    int64_t history_at;        /* step of the history, 0 to ask for it anew */
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

/* How long a history is as good as new. */
static int64_t fresh_for(int64_t span_ms)
{
    int64_t step_ms = nv_top_step(span_ms);

    return step_ms < NV_TOP_LONG_MS        ? step_ms
           : step_ms < 10 * NV_TOP_LONG_MS ? NV_TOP_LONG_MS
                                           : step_ms / 10;
}

/* Asks when it is time, or when what is wanted changed; history only where there may be more of it. */
static void ask(struct live *live)
{
    struct asker *asker = &live->asker;
    int64_t now_ms = nv_monotonic_ns() / 1000000, fresh_ms = fresh_for(live->view->span_ms);
    bool moves = !live->view->at_ms && !live->view->paused && !live->control.ended;
    bool due = (moves || live->error[0]) && now_ms >= live->next_ms;

    if (!live->control.ask && !due)
        return;
    pthread_mutex_lock(&asker->lock);
    if (!asker->busy) {
        int64_t at = nv_wall_ms() / fresh_ms;
        asker->wish = (struct nv_top_wish){live->view->at_ms, live->view->span_ms,
                                           live->control.ask || at != live->history_at};
        asker->busy = asker->wanted = true;
        live->history_at = at;
        live->control.ask = false;
        live->asked_ms = now_ms;
        live->next_ms = now_ms + live->look->interval_ms;
        pthread_cond_signal(&asker->changed);
    }
    pthread_mutex_unlock(&asker->lock);
}

/* Only of this moment and this node. */
static void read_processes(struct live *live)
{
    int64_t now_ns = nv_clock_ns(CLOCK_BOOTTIME), begun_ns = nv_clock_ns(CLOCK_THREAD_CPUTIME_ID);

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
    live->control.ended = live->asker.source->ended;
    pthread_mutex_unlock(&live->asker.lock);
    snprintf(live->error, sizeof(live->error), "%s", fresh ? fresh->error : "out of memory");
    if (!fresh || fresh->error[0]) {
        nv_top_data_free(fresh);
        live->history_at = 0;
        return true;
    }
    if (!fresh->has_history)
        nv_top_data_keep_past(fresh, live->data);
    nv_top_data_free(live->data);
    live->data = fresh;
    struct nv_top_control *control = &live->control;
    control->time_ms = fresh->time_ms;
    if (fresh->of_now)
        control->ahead_ms = fresh->time_ms - nv_wall_ms();
    control->newest_ms = control->newest_ms > fresh->time_ms ? control->newest_ms : fresh->time_ms;
    read_processes(live);
    return true;
}

/* ---- painting ------------------------------------------------------------------------------- */

static void set_style(const struct live *live, const struct nv_top_cell *cell)
{
    static const attr_t attributes[NV_TOP_N_STYLES] = {
        [NV_TOP_TITLE] = A_BOLD, [NV_TOP_BAD] = A_BOLD, [NV_TOP_BAR] = A_REVERSE};

    attr_t reversed = cell->reversed ? A_REVERSE : A_NORMAL;
    wattr_set(live->window, attributes[cell->style] | reversed,
              live->look->colors ? (short)cell->style : 0, NULL);
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
        const struct nv_top_cell *first = &line[x];
        size_t n = 0;
        for (; x < screen->width && line[x].style == first->style &&
               line[x].reversed == first->reversed;
             x++)
            text[n++] = (wchar_t)line[x].c;
        set_style(live, first);
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

/* Of a process: what it was called with. */
static void look_closer(struct live *live, char command[NV_TOP_COMMAND_MAX])
{
    const struct nv_top_spot *chosen = &live->view->chosen;

    command[0] = '\0';
    if (chosen->kind && chosen->panel == NV_TOP_PANEL_PROCESSES && live->view->n_processes)
        nv_top_processes_command(command, "/proc", chosen->key);
    live->view->command = command;
}

static struct nv_top_screen *draw(struct live *live, size_t width)
{
    char slow[NV_CLI_TEXT_MAX], command[NV_TOP_COMMAND_MAX];
    struct nv_top_screen *screen = nv_top_screen_new(width, NV_TOP_LINES_MAX, live->look->utf8);

    if (!screen)
        return NULL;
    live->view->error = live->error;
    if (is_slow(live)) {
        snprintf(slow, sizeof(slow), "no answer for %lld s",
                 (long long)(nv_monotonic_ns() / 1000000 - live->asked_ms) / 1000);
        live->view->error = slow;
    }
    live->view->processes = nv_top_processes_sort(
        live->processes, live->view->sorts[NV_TOP_PANEL_PROCESSES], &live->view->n_processes);
    if (live->view->at_ms)
        live->view->n_processes = 0;
    live->view->ended = live->control.ended;
    look_closer(live, command);
    nv_top_draw(screen, live->data, live->view);
    live->view->error = live->view->command = "";
    return screen;
}

static void paint(struct live *live)
{
    int height = getmaxy(live->window), width = getmaxx(live->window);
    struct nv_top_screen *screen = height > 0 && width > 0 ? draw(live, (size_t)width) : NULL;

    if (!screen)
        return;
    nv_top_control_fit(&live->control, screen, (size_t)height);
    werase(live->window);
    for (size_t y = 0; y < (size_t)height; y++) {
        size_t from = nv_top_control_line(&live->control, y);
        if (from < screen->used || (from == screen->height && screen->has_foot))
            paint_line(live, screen, from, (int)y);
    }
    nv_top_terminal_show(live->window);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void click(struct live *live)
{
    static const struct {
        mmask_t mask;
        enum nv_top_button button;
    } buttons[] = {
        {BUTTON1_PRESSED, NV_TOP_BUTTON_LEFT },
        {BUTTON3_PRESSED, NV_TOP_BUTTON_RIGHT},
        {BUTTON4_PRESSED, NV_TOP_WHEEL_UP    },
        {BUTTON5_PRESSED, NV_TOP_WHEEL_DOWN  },
    };
    MEVENT event;

    if (getmouse(&event) != OK || event.x < 0 || event.y < 0)
        return;
    for (size_t i = 0; i < NV_LEN(buttons); i++) {
        if (event.bstate & buttons[i].mask)
            nv_top_click(&live->control, buttons[i].button, (size_t)event.x, (size_t)event.y);
    }
}

static bool hear(struct live *live)
{
    bool any = false;
    wint_t key;
    int r;

    while ((r = wget_wch(live->window, &key)) != ERR && !live->control.quit) {
        any = true;
        if (r == KEY_CODE_YES && (int)key == KEY_MOUSE)
            click(live);
        else if (r != KEY_CODE_YES && key == 12) /* ^L */
            clearok(live->window, true);
        else
            nv_top_press(&live->control, (int)key, r == KEY_CODE_YES);
    }
    return any;
}

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

    live->control.ask = true;
    paint(live);
    while (!live->control.quit && !nv_top_terminal_ended()) {
        ask(live);
        bool idle = live->view->at_ms || live->view->paused || live->control.ended;
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
                struct nv_top_processes *processes, const struct nv_top_look *look)
{
    struct nv_top_look fitting = *look;
    struct live live = {
        .control = {.view = view, .ended = view->ended},
        .view = view,
        .look = &fitting,
        .data = nv_top_data_new(),
        .processes = processes,
    };

    if (!live.data)
        return nv_cli_error(1, "out of memory");
    setlocale(LC_CTYPE, "");
    fitting.utf8 = look->utf8 && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    int status = nv_top_terminal_open(&live.window);
    if (status == 0) {
        mousemask(BUTTON1_PRESSED | BUTTON3_PRESSED | BUTTON4_PRESSED | BUTTON5_PRESSED, NULL);
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
    nv_top_screen_free(live.control.screen);
    nv_top_data_free(live.data);
    return status;
}
