#include "agent/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <nodevitals/scan.h>

#include "base/cleanup.h"

int nv_notify(const char *format, ...)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char text[NV_NOTIFY_MAX];
    va_list arguments;

    if (!path || !path[0])
        return 0;
    size_t n = strlen(path);
    if ((path[0] != '/' && path[0] != '@') || n >= sizeof(address.sun_path))
        return -EAFNOSUPPORT;
    memcpy(address.sun_path, path, n);
    if (path[0] == '@') /* abstract: no file, a NUL in front */
        address.sun_path[0] = '\0';

    va_start(arguments, format);
    int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof(text))
        return -EMSGSIZE;

    NV_AUTO_FD fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    ssize_t sent = sendto(fd, text, (size_t)length, MSG_NOSIGNAL, (const struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
    return sent < 0 ? -errno : 1;
}

bool nv_notify_watchdog(uint64_t *ret_usec)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    uint64_t wanted = 0, whom = 0;

    if (!usec || !nv_str_to_u64(nv_str(usec), &wanted) || !wanted)
        return false;
    if (pid && (!nv_str_to_u64(nv_str(pid), &whom) || whom != (uint64_t)getpid()))
        return false;
    *ret_usec = wanted;
    return true;
}
