/*
 * codec_dictionary.c - columns of few different values: frequencies, percentages, settings, rates of whole numbers.
 *
 *   uvarint   how many, d
 *   integers  those values' ordered bits (codec_operation.c, operation 1), rising
 *   integers  for each row, which of them, from 0
 */
#include "tsdb/codec_operation.h"

enum {
    MOST = 2048, /* values */
    SAMPLED = 256,
    SAMPLED_MOST = 240, /* that may differ: as many do among 2,000 alike */
    REPEATS = 4,        /* rows a value has to stand for */
};

/* Puts a number in its place in a rising list. False when there are too many. */
static bool add(int64_t *list, size_t *n, size_t most, int64_t value)
{
    size_t from = 0, to = *n;

    while (from < to) {
        size_t middle = (from + to) / 2;
        if (list[middle] < value)
            from = middle + 1;
        else
            to = middle;
    }
    if (from < *n && list[from] == value)
        return true;
    if (*n == most)
        return false;
    memmove(list + from + 1, list + from, (*n - from) * sizeof(*list));
    list[from] = value;
    ++*n;
    return true;
}

/* The different numbers of every step-th row, rising. Returns how many, 0 for too many. */
static size_t differing(const int64_t *x, size_t n, size_t step, int64_t *list, size_t most)
{
    size_t n_list = 0;

    for (size_t i = 0; i < n; i += step) {
        if (!add(list, &n_list, most, x[i]))
            return 0;
    }
    return n_list;
}

static int64_t place_of(const int64_t *list, size_t n, int64_t value)
{
    size_t from = 0;

    for (size_t many = n; many > 1; many -= many / 2)
        from += list[from + many / 2] <= value ? many / 2 : 0;
    return (int64_t)from;
}

bool nv_dictionary_put(struct nv_codec *codec, enum nv_codec_effort effort, const double *values,
                       size_t n, struct nv_buf *out)
{
    int64_t *list = codec->near, *x = codec->ints;
    size_t most = n / REPEATS < MOST ? n / REPEATS : MOST;

    nv_operation_bits(codec, values, n);
    if (!most || !differing(x, n, n / SAMPLED + 1, list, most < SAMPLED_MOST ? most : SAMPLED_MOST))
        return false;
    size_t n_list = differing(x, n, 1, list, most);
    if (!n_list)
        return false;
    for (size_t i = 0; i < n; i++)
        x[i] = place_of(list, n_list, x[i]);
    nv_put_uvarint(out, n_list);
    nv_integers_put(codec, effort, list, n_list, out);
    nv_integers_put(codec, effort, x, n, out);
    return true;
}

int nv_dictionary_get(struct nv_codec *codec, struct nv_str *in, double *values, size_t n)
{
    double *known = (double *)codec->residuals;
    uint64_t n_known;

    if (!nv_get_uvarint(in, &n_known) || !n_known || n_known > n)
        return -EBADMSG;
    int r = nv_integers_get(codec, in, codec->near, (size_t)n_known);
    if (r == 0)
        r = nv_integers_get(codec, in, codec->ints, n);
    if (r < 0)
        return r;
    nv_operation_apply((struct nv_made){NV_AS_BITS, 0}, codec->near, known, (size_t)n_known);
    for (size_t i = 0; i < n; i++) {
        if ((uint64_t)codec->ints[i] >= n_known)
            return -EBADMSG;
        values[i] = known[codec->ints[i]];
    }
    return 0;
}
