/*
 * What merging asks of a block before it reads values.
 */
#include "tsdb/block_parts.h"

int nv_block_place(struct nv_block *block, uint32_t series, uint32_t *ret_group,
                   uint32_t *ret_section)
{
    NV_AUTO(nv_cached) *held = NULL;

    if (series >= block->footer.n_series)
        return -EINVAL;
    size_t page = nv_block_page_of(block, series);
    int r = nv_block_column_page(block, page, &held);
    if (r < 0)
        return r;
    const struct nv_column_page *columns = held->object;
    const struct nv_column *column = &columns->at[series - block->footer.pages[page].first];
    *ret_group = column->flags & NV_COLUMN_SPARSE ? NV_BLOCK_SPARSE : column->group;
    *ret_section = column->section;
    return 0;
}

size_t nv_block_rows_max(const struct nv_block *block)
{
    size_t rows = 0;

    for (size_t i = 0; i < block->footer.n_groups; i++)
        if (block->footer.groups[i].n_rows > rows)
            rows = block->footer.groups[i].n_rows;
    return rows;
}
