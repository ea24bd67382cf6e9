/*
 * heap.h - counts allocations, to prove that a steady state makes none.
 *
 * Works where malloc can be replaced; under a sanitizer, which replaces it itself, nv_heap_counts() is false.
 */
#ifndef NV_TEST_HEAP_H
#define NV_TEST_HEAP_H

#include <stdbool.h>
#include <stddef.h>

bool nv_heap_counts(void);

/* Calls of malloc, calloc, realloc and the aligned ones so far, by all threads. */
size_t nv_heap_calls(void);

#endif
