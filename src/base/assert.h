/*
 * assert.h - states what only a bug can break. Stays on in production.
 */
#ifndef NV_BASE_ASSERT_H
#define NV_BASE_ASSERT_H

#include <stdbool.h>

__attribute__((noreturn, cold)) void nv_assert_failed(const char *what, const char *file, int line);

/* Ends the process when memory is out where no caller could go on. Returns p. */
void *nv_must(void *p);

#define nv_assert(condition)                                                                       \
    ((condition) ? (void)0 : nv_assert_failed(#condition, __FILE__, __LINE__))

#endif
