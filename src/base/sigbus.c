#include "base/sigbus.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>

static _Thread_local sigjmp_buf *innermost;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct sigaction before;

/* Outside a guard the signal does what it did: on return the access is tried again. */
static void on_sigbus(int number)
{
    if (innermost)
        siglongjmp(*innermost, 1);
    sigaction(number, &before, NULL);
}

static void take_signal(void)
{
    struct sigaction action = {.sa_handler = on_sigbus};

    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, &before);
}

int nv_sigbus_guard(int (*call)(void *user), void *user, int otherwise)
{
    sigjmp_buf guard, *volatile around = innermost;
    volatile int value = otherwise;

    pthread_once(&once, take_signal);
    if (sigsetjmp(guard, 1) == 0) {
        innermost = &guard;
        value = call(user);
    }
    innermost = around;
    return value;
}
