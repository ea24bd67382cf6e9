/*
 * sort.h - sorting in place. qsort(3) allocates, which a pass must not.
 */
#ifndef NODEVITALS_SORT_H
#define NODEVITALS_SORT_H

#include <stddef.h>
#include <string.h>

enum { NV_SORT_ITEM_MAX = 256 }; /* bytes of an item */

typedef int (*nv_order_fn)(const void *a, const void *b);

/* Lets the item at `i` sink below greater ones, in a heap of n. */
static inline void nv_sort_sink(char *at, size_t i, size_t n, size_t size, nv_order_fn order)
{
    char item[NV_SORT_ITEM_MAX];

    memcpy(item, at + i * size, size);
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && order(at + child * size, at + (child + 1) * size) < 0)
            child++;
        if (order(item, at + child * size) >= 0)
            break;
        memcpy(at + i * size, at + child * size, size);
    }
    memcpy(at + i * size, item, size);
}

/* Sorts n items of `size` bytes, at most NV_SORT_ITEM_MAX, in n log n steps. Equal items may change places. */
static inline void nv_sort(void *items, size_t n, size_t size, nv_order_fn order)
{
    char *at = items, item[NV_SORT_ITEM_MAX];

    for (size_t i = n / 2; i-- > 0;)
        nv_sort_sink(at, i, n, size, order);
    for (size_t i = n; i-- > 1;) {
        memcpy(item, at, size);
        memcpy(at, at + i * size, size);
        memcpy(at + i * size, item, size);
        nv_sort_sink(at, 0, i, size, order);
    }
}

#endif
