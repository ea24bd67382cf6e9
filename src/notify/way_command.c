#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "notify/ways.h"

struct child {
    pid_t pid;
    int pid_fd, input;
};

/* Argument vectors are not const in POSIX, though nothing writes to them. */
static char *unconst(const char *text)
{
    return (char *)(uintptr_t)text;
}

static int prepare(const struct nv_notify_command *command, struct nv_arena *memory,
                   char ***ret_words, char ***ret_environment)
{
    char **words = nv_arena_alloc(memory, (command->command.n + 1) * sizeof(*words));
    char **environment =
        nv_arena_alloc(memory, (command->environment.n + 1) * sizeof(*environment));

    if (!words || !environment)
        return -ENOMEM;
    for (size_t i = 0; i < command->command.n; i++)
        words[i] = unconst(command->command.at[i]);
    words[command->command.n] = NULL;
    for (size_t i = 0; i < command->environment.n; i++) {
        const struct nv_config_pair *pair = &command->environment.at[i];
        size_t n = strlen(pair->name) + strlen(pair->value) + 2;
        environment[i] = nv_arena_alloc(memory, n);
        if (!environment[i])
            return -ENOMEM;
        snprintf(environment[i], n, "%s=%s", pair->name, pair->value);
    }
    environment[command->environment.n] = NULL;
    *ret_words = words;
    *ret_environment = environment;
    return 0;
}

/* In a process group of its own, with default signals. */
static int spawn_with(char **words, char **environment, int input, pid_t *ret)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;

    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                              POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    int r = posix_spawn(ret, words[0], &actions, &attributes, words, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return -r;
}

static int start(const struct nv_notify_command *command, struct child *ret)
{
    struct nv_arena memory = NV_ARENA(4 << 20);
    char **words, **environment;
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    int r = prepare(command, &memory, &words, &environment);
    if (r == 0)
        r = spawn_with(words, environment, ends[0], &ret->pid);
    nv_arena_done(&memory);
    close(ends[0]);
    if (r < 0) {
        close(ends[1]);
        return r;
    }
    (void)fcntl(ends[1], F_SETFL, O_NONBLOCK);
    ret->input = ends[1];
    ret->pid_fd =
        (int)syscall(SYS_pidfd_open, ret->pid, 0); /* -1 before Linux 5.3: looked after by time */
    return 0;
}

/* Feeds it as far as it takes. Closes the pipe at the end, or when it does not want any more. */
static void feed(struct child *child, struct nv_str *left)
{
    while (left->n > 0) {
        ssize_t n = write(child->input, left->p, left->n);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0 && errno != EINTR)
            break;
        if (n > 0)
            *left = nv_str_from(*left, (size_t)n);
    }
    close(child->input);
    child->input = -1;
}

/* Returns 0 when it has ended and is yet to be waited for, so that its number stays its own; -ETIMEDOUT, -ECANCELED. */
static int attend(struct nv_ways *ways, struct child *child, struct nv_str body,
                  int64_t deadline_ns)
{
    enum { LOOK_MS = 50 };

    for (;;) {
        siginfo_t ended = {0};
        if (waitid(P_PID, (id_t)child->pid, &ended, WEXITED | WNOHANG | WNOWAIT) < 0 &&
            errno != EINTR)
            return -errno;
        if (ended.si_pid == child->pid)
            return 0;
        int64_t left_ms = (deadline_ns - nv_monotonic_ns()) / 1000000;
        if (left_ms <= 0)
            return -ETIMEDOUT;
        struct pollfd fds[] = {
            {.fd = nv_ways_stop_fd(ways), .events = POLLIN },
            {.fd = child->pid_fd,         .events = POLLIN },
            {.fd = child->input,          .events = POLLOUT}
        };
        int wait_ms = child->pid_fd < 0 && left_ms > LOOK_MS
                          ? LOOK_MS
                          : (int)(left_ms > 60000 ? 60000 : left_ms);
        (void)poll(fds, 3, wait_ms);
        if (fds[0].revents)
            return -ECANCELED;
        if (child->input >= 0 && fds[2].revents)
            feed(child, &body);
    }
}

/* Nothing of it stays: its children are in its group. Returns its status. */
static int end(struct child *child)
{
    int status = 0;

    (void)kill(-child->pid, SIGKILL);
    while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (child->input >= 0)
        close(child->input);
    if (child->pid_fd >= 0)
        close(child->pid_fd);
    return status;
}

static int judge(const char *path, int status, char error[NV_DISPATCH_ERROR_MAX])
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFEXITED(status))
        snprintf(error, NV_DISPATCH_ERROR_MAX, "%.400s ended with status %d", path,
                 WEXITSTATUS(status));
    else
        snprintf(error, NV_DISPATCH_ERROR_MAX, "%.400s was ended by signal %d", path,
                 WTERMSIG(status));
    return -EREMOTEIO;
}

int nv_way_command(struct nv_ways *ways, const struct nv_notify_command *command,
                   struct nv_str body, char error[NV_DISPATCH_ERROR_MAX])
{
    struct child child = {.input = -1, .pid_fd = -1};
    const char *path = command->command.at[0];
    unsigned number;

    int r = nv_ways_hold(ways, (struct nv_way_hold){0}, &number);
    if (r < 0)
        return r;
    r = start(command, &child);
    if (r == 0) {
        r = attend(ways, &child, body, nv_monotonic_ns() + command->timeout_ms * 1000000);
        int status = end(&child);
        if (r == 0)
            r = judge(path, status, error);
        else
            snprintf(error, NV_DISPATCH_ERROR_MAX, "%.400s: %s", path,
                     r == -ETIMEDOUT ? "killed, it took too long" : strerror(-r));
    } else {
        snprintf(error, NV_DISPATCH_ERROR_MAX, "cannot run %.400s: %s", path, strerror(-r));
    }
    nv_ways_release(ways, number);
    return r;
}
