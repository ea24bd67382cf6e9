/*
 * The series of a source in one generation, by number. Readers may hold an array that was outgrown, so none goes before all do.
 */
#include "tsdb/columns.h"

#include "base/assert.h"

struct nv_columns *nv_columns_new(struct nv_series_table *table, uint64_t number)
{
    struct nv_columns *columns = calloc(1, sizeof(*columns));

    if (columns)
        *columns = (struct nv_columns){.refs = 1, .table = table, .number = number};
    return columns;
}

struct nv_columns *nv_columns_ref(struct nv_columns *columns)
{
    __atomic_add_fetch(&columns->refs, 1, __ATOMIC_RELAXED);
    return columns;
}

/* All series at once, for the table is locked only so long. */
static void let_go(struct nv_columns *columns)
{
    struct nv_head_series **series = nv_must(malloc((columns->n + 1) * sizeof(*series)));

    for (uint32_t i = 0; i < columns->n; i++)
        series[i] = columns->at[i].series;
    nv_series_drop_places(columns->table, series, columns->n, columns);
    nv_series_unref(columns->table, series, columns->n);
    free(series);
}

void nv_columns_unref(struct nv_columns *columns)
{
    if (!columns || __atomic_sub_fetch(&columns->refs, 1, __ATOMIC_ACQ_REL))
        return;
    if (columns->n)
        let_go(columns);
    for (uint32_t i = 0; i < columns->n_outgrown; i++)
        free(columns->outgrown[i]);
    free(columns->outgrown);
    free(columns->at);
    free(columns);
}

/* A larger copy; readers may still be in the old one, which stays until all is freed. */
static int widen(struct nv_columns *columns, uint32_t room)
{
    struct nv_column *at = malloc(room * sizeof(*at));
    struct nv_column **outgrown =
        realloc(columns->outgrown, (columns->n_outgrown + 1) * sizeof(*outgrown));

    if (outgrown)
        columns->outgrown = outgrown;
    if (!at || !outgrown) {
        free(at);
        return -ENOMEM;
    }
    if (columns->at) {
        memcpy(at, columns->at, columns->n * sizeof(*at));
        columns->outgrown[columns->n_outgrown++] = columns->at;
    }
    __atomic_store_n(&columns->at, at, __ATOMIC_RELEASE);
    columns->room = room;
    return 0;
}

int nv_columns_reserve(struct nv_columns *columns, uint32_t n)
{
    return n > columns->room ? widen(columns, n) : 0;
}

int nv_columns_add(struct nv_columns *columns, struct nv_head_series *series, uint32_t section,
                   bool orphan)
{
    int r = columns->n == columns->room
                ? widen(columns, columns->room ? columns->room + columns->room / 2 : 256)
                : 0;

    if (r == 0)
        r = nv_series_add_place(columns->table, series,
                                (struct nv_place){columns, columns->n, section});
    if (r < 0) {
        nv_series_unref(columns->table, &series, 1);
        return r;
    }
    columns->at[columns->n++] = (struct nv_column){series, section, orphan};
    return 0;
}
