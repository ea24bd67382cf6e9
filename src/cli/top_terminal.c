/*
 * top_terminal.c - taking the terminal and giving it back.
 *
 * What a handler writes is put together beforehand from terminfo, since ncurses' endwin() may not be called there. ncurses' own
 * handler of SIGTSTP is not used: continued in the background, it would be stopped at its first write, before a signal to end.
 */
#include "cli/top_terminal.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cli/cli.h"

enum { ESCAPE_MS = 25, BACKGROUND_MS = 100, STACK = 16 << 10, GUARDED_MAX = 2 };

#define MOUSE_OFF "\033[?1000l\033[?1006l"
#define CANCEL    "\030" /* an escape sequence cut short */

static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
static const int kills[] = {SIGSEGV, SIGBUS,  SIGABRT, SIGFPE,  SIGILL,
                            SIGSYS,  SIGTRAP, SIGXCPU, SIGALRM, SIGVTALRM,
                            SIGPROF, SIGUSR1, SIGUSR2, SIGPOLL, SIGPWR};

static struct sigaction before[NV_LEN(kills)]; /* sanitizers have handlers of their own */
static struct termios modes;
static char farewell[256];
static size_t farewell_n;
static volatile sig_atomic_t shown, ended, stopping, continued;

/* ---- signals -------------------------------------------------------------------------------- */

/* A terminal that is gone has nobody in front. */
static bool in_front(void)
{
    pid_t group = tcgetpgrp(STDIN_FILENO);

    return group < 0 || group == getpgrp();
}

/*
 * A handler may call all of these. What the terminal has not taken yet would keep us waiting, and so would ^S, which Linux only
 * takes back where output was stopped by tcflow(), too.
 */
static void restore(void)
{
    if (!shown || !in_front())
        return;
    shown = 0;
    tcflow(STDOUT_FILENO, TCOOFF);
    tcflow(STDOUT_FILENO, TCOON);
    tcflush(STDOUT_FILENO, TCOFLUSH);
    if (write(STDOUT_FILENO, farewell, farewell_n) >= 0)
        tcsetattr(STDIN_FILENO, TCSANOW, &modes);
}

static void die(int number)
{
    struct sigaction action = {.sa_handler = SIG_DFL};

    for (size_t i = 0; i < NV_LEN(kills); i++) {
        if (kills[i] == number)
            action = before[i];
    }
    restore();
    sigaction(number, &action, NULL);
    raise(number);
}

static void end(int number)
{
    if (ended)
        die(number);
    ended = number;
}

static void note(int number)
{
    *(number == SIGCONT ? &continued : &stopping) = 1;
}

static void handle(int number, void (*handler)(int), int flags, struct sigaction *ret_before)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags}, old;

    if (sigaction(number, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
        sigaction(number, &action, NULL);
    if (ret_before)
        *ret_before = old;
}

static void handle_signals(void)
{
    for (size_t i = 0; i < NV_LEN(ends); i++)
        handle(ends[i], end, 0, NULL);
    for (size_t i = 0; i < NV_LEN(kills); i++)
        handle(kills[i], die, SA_ONSTACK, &before[i]);
    handle(SIGCONT, note, 0, NULL);
    handle(SIGTSTP, note, 0, NULL);
    signal(SIGPIPE, SIG_IGN); /* a terminal that is gone is a failed write */
}

void nv_top_terminal_guard(void)
{
    static char stacks[GUARDED_MAX][STACK];
    static size_t used;
    stack_t stack = {.ss_size = STACK}, old;
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < NV_LEN(kills); i++)
        sigaddset(&set, kills[i]);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    size_t i = __atomic_fetch_add(&used, 1, __ATOMIC_RELAXED);
    if (i >= GUARDED_MAX || sigaltstack(NULL, &old) < 0 || !(old.ss_flags & SS_DISABLE))
        return; /* sanitizers have one */
    stack.ss_sp = stacks[i];
    sigaltstack(&stack, NULL);
}

/* ---- stopping ------------------------------------------------------------------------------- */

/* Continued behind another, it stops again, as it would at its first write. */
static void stop(bool at_once)
{
    struct sigaction plain = {.sa_handler = SIG_DFL}, ours;

    for (bool again = at_once; !ended && (again || !in_front()); again = false) {
        sigaction(SIGTSTP, &plain, &ours);
        raise(SIGTSTP);
        sigaction(SIGTSTP, &ours, NULL);
        if (!ended && !in_front())
            poll(NULL, 0, BACKGROUND_MS); /* without a shell nobody can stop */
    }
}

bool nv_top_terminal_stopped(void)
{
    if (!stopping && !continued)
        return false;
    bool stops = stopping;
    stopping = 0;
    if (shown && in_front()) {
        endwin();
        shown = 0;
    }
    stop(stops);
    stopping = continued = 0;
    return true;
}

bool nv_top_terminal_ended(void)
{
    return ended;
}

/* ---- the terminal --------------------------------------------------------------------------- */

static const char *capability(const char *name)
{
    const char *text = tigetstr(name);

    return text && text != (const char *)-1 ? text : NULL;
}

/* Without the pauses that terminfo asks for between $< and >. */
static void bid(const char *text)
{
    for (; text && *text && farewell_n < sizeof(farewell); text++) {
        const char *pause_end = text[0] == '$' && text[1] == '<' ? strchr(text, '>') : NULL;
        if (pause_end)
            text = pause_end;
        else
            farewell[farewell_n++] = *text;
    }
}

static void prepare_farewell(void)
{
    bid(CANCEL);
    if (capability("kmous"))
        bid(MOUSE_OFF);
    bid(capability("rmkx"));
    bid(capability("sgr0"));
    bid(capability("rmcup") ? capability("rmcup") : "\r\n");
    bid(capability("cnorm"));
}

static int refuse(const char *why)
{
    const char *type = getenv("TERM");

    return nv_cli_error(1, "%s: TERM=%s; --once and --batch need none", why, type ? type : "");
}

int nv_top_terminal_open(WINDOW **ret)
{
    if (!nv_terminal_has_library())
        return nv_cli_error(1, "libncursesw is not installed; --once and --batch need none");
    if (tcgetattr(STDIN_FILENO, &modes) < 0)
        return nv_cli_error(1, "this is no terminal: ask for --once or --batch");
    handle_signals();
    nv_top_terminal_guard();
    stop(false);
    if (!newterm(NULL, stdout, stdin))
        return refuse("this terminal is not known");
    if (!capability("cup")) {
        endwin();
        return refuse("this terminal has no places to write to");
    }
    prepare_farewell();
    *ret = newwin(0, 0, 0, 0);
    if (!*ret) {
        endwin();
        return nv_cli_error(1, "out of memory");
    }
    shown = 1;
    cbreak();
    noecho();
    keypad(*ret, true);
    nodelay(*ret, true);
    set_escdelay(ESCAPE_MS);
    curs_set(0);
    return 0;
}

void nv_top_terminal_close(void)
{
    if (shown && in_front())
        endwin();
    shown = 0;
}

void nv_top_terminal_show(WINDOW *window)
{
    shown = 1;
    wrefresh(window);
}
