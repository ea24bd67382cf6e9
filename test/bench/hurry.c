/*
 * hurry.c - time that passes NV_HURRY times faster for one program, as a library to preload.
 *
 * libfaketime (0.9.10) does the like, but does not know pthread_cond_clockwait(), on which a program would then wait for
 * decades. Clocks begin at the true time. What waits is told the true moment or span; CPU clocks stay as they are.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>

enum { CLOCKS = CLOCK_BOOTTIME + 1 }; /* those above are alarms */
#define SECOND INT64_C(1000000000)

static int (*real_gettime)(clockid_t, struct timespec *);
static double speed = 1;
static int64_t began[CLOCKS];

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int64_t nanoseconds(const struct timespec *t)
{
    return t->tv_sec * SECOND + t->tv_nsec;
}

static struct timespec timespec_of(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / SECOND, .tv_nsec = ns % SECOND};
}

static int hurries(clockid_t clock)
{
    return clock >= 0 && clock < CLOCKS && clock != CLOCK_PROCESS_CPUTIME_ID &&
           clock != CLOCK_THREAD_CPUTIME_ID;
}

static __attribute__((constructor)) void begin(void)
{
    const char *text = getenv("NV_HURRY");

    real_gettime = REAL(clock_gettime);
    for (clockid_t clock = 0; clock < CLOCKS; clock++) {
        struct timespec t = {0};
        real_gettime(clock, &t);
        began[clock] = nanoseconds(&t);
    }
    speed = text && strtod(text, NULL) > 0 ? strtod(text, NULL) : 1;
}

static struct timespec real_moment(clockid_t clock, const struct timespec *t)
{
    return timespec_of(began[clock] + (int64_t)((double)(nanoseconds(t) - began[clock]) / speed));
}

static struct timespec real_span(const struct timespec *t)
{
    int64_t ns = (int64_t)((double)nanoseconds(t) / speed);

    return timespec_of(ns > 0 || !nanoseconds(t) ? ns : 1); /* 0 would end a timer */
}

int clock_gettime(clockid_t clock, struct timespec *t)
{
    if (!real_gettime)
        begin();
    int r = real_gettime(clock, t);
    if (r == 0 && hurries(clock))
        *t = timespec_of(began[clock] + (int64_t)((double)(nanoseconds(t) - began[clock]) * speed));
    return r;
}

time_t time(time_t *t)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (t)
        *t = now.tv_sec;
    return now.tv_sec;
}

int pthread_cond_clockwait(pthread_cond_t *cond, pthread_mutex_t *lock, clockid_t clock,
                           const struct timespec *t)
{
    struct timespec at = real_moment(clock, t);

    return REAL(pthread_cond_clockwait)(cond, lock, clock, &at);
}

/* Conditions of the program's own that wait this way have the monotonic clock: a moment before 2001 is none of the day. */
int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock, const struct timespec *t)
{
    struct timespec at = real_moment(t->tv_sec < 1000000000 ? CLOCK_MONOTONIC : CLOCK_REALTIME, t);

    return REAL(pthread_cond_timedwait)(cond, lock, &at);
}

int timerfd_settime(int fd, int flags, const struct itimerspec *new, struct itimerspec *old)
{
    struct itimerspec real = {.it_interval = real_span(&new->it_interval),
                              .it_value = real_span(&new->it_value)};

    if (flags & TFD_TIMER_ABSTIME && nanoseconds(&new->it_value))
        real.it_value = real_moment(CLOCK_MONOTONIC, &new->it_value);
    return REAL(timerfd_settime)(fd, flags, &real, old);
}

static int real_ms(int ms)
{
    return ms <= 0 ? ms : (int)(ms / speed) + 1;
}

int poll(struct pollfd *at, nfds_t n, int ms)
{
    return REAL(poll)(at, n, real_ms(ms));
}

int epoll_wait(int fd, struct epoll_event *at, int n, int ms)
{
    return REAL(epoll_wait)(fd, at, n, real_ms(ms));
}
