/*
 * A page of columns: where the columns of up to 512 series are, or the columns themselves where they are short.
 * Fields of the same kind stand together, which makes them compress well:
 *
 *   flags      a byte for each series, enum nv_column_flags
 *   groups     less that of the series before (s); none for sparse ones
 *   sections   likewise
 *   lengths    bytes of the column
 *   jumps      offset in the file less the end (CRC included) of the last column there before it (s); none for
 *              those inside
 *   extras     the base's number less the own (s), of based ones; how many samples, of sparse ones
 *   bytes      of the columns inside
 *
 * Each but the first and the last is led by its length.
 */
#include "tsdb/block_parts.h"

struct fields {
    struct nv_buf groups, sections, lengths, jumps, extras, bytes;
};

static bool on_its_own(const struct nv_column *column)
{
    return column->flags & NV_COLUMN_SPARSE;
}

static void end_field(struct nv_buf *field, struct nv_buf *out)
{
    if (field->failed)
        out->failed = field->failed;
    nv_put_sized(out, nv_buf_view(field));
    nv_buf_done(field);
}

void nv_column_page_encode(const struct nv_column *at, size_t n, uint32_t first,
                           const char *inlined, struct nv_buf *out)
{
    struct nv_buf empty = NV_BUF(NV_PAGE_BYTES_MAX);
    struct fields f = {empty, empty, empty, empty, empty, empty};
    uint32_t group = 0, section = 0;
    uint64_t expected = NV_BLOCK_HEADER;

    for (size_t i = 0; i < n; i++) {
        const struct nv_column *column = &at[i];
        nv_buf_char(out, (char)column->flags);
        nv_put_uvarint(&f.lengths, column->length);
        if (!on_its_own(column)) {
            nv_put_varint(&f.groups, (int64_t)column->group - group);
            nv_put_varint(&f.sections, (int64_t)column->section - section);
            group = column->group;
            section = column->section;
        }
        if (column->flags & NV_COLUMN_INLINE) {
            nv_buf_add(&f.bytes, inlined + column->offset, column->length);
        } else {
            nv_put_varint(&f.jumps, (int64_t)(column->offset - expected));
            expected = column->offset + column->length + NV_PART_CRC;
        }
        if (on_its_own(column))
            nv_put_uvarint(&f.extras, column->extra);
        else if (column->flags & NV_COLUMN_BASED)
            nv_put_varint(&f.extras, (int64_t)column->extra - (int64_t)(first + i));
    }
    end_field(&f.groups, out);
    end_field(&f.sections, out);
    end_field(&f.lengths, out);
    end_field(&f.jumps, out);
    end_field(&f.extras, out);
    if (f.bytes.failed)
        out->failed = f.bytes.failed;
    nv_buf_str(out, nv_buf_view(&f.bytes));
    nv_buf_done(&f.bytes);
}

struct reader {
    struct nv_str flags, groups, sections, lengths, jumps, extras, bytes;
    uint32_t group, section;
    uint64_t expected, inlined;
};

/* Moves a number by a signed difference; refused where it leaves 0 ... max. */
static bool move(struct nv_str *in, uint32_t max, uint32_t *value)
{
    int64_t difference, moved;

    if (!nv_get_varint(in, &difference) || __builtin_add_overflow(*value, difference, &moved) ||
        moved < 0 || moved > max)
        return false;
    *value = (uint32_t)moved;
    return true;
}

static bool get_owner(struct reader *r, const struct nv_footer *footer, uint32_t number,
                      struct nv_column *ret)
{
    if (on_its_own(ret)) {
        ret->group = NV_BLOCK_SPARSE;
        return !(ret->flags & (NV_COLUMN_BASED | NV_COLUMN_PRESENCE)) &&
               nv_get_below(&r->extras, NV_CODEC_ROWS_MAX, &ret->extra) && ret->extra;
    }
    if (ret->flags & NV_COLUMN_STARTS || !footer->n_groups ||
        !move(&r->groups, (uint32_t)footer->n_groups - 1, &r->group))
        return false;
    ret->group = r->group;
    uint32_t n_sections = footer->groups[ret->group].n_sections;
    if (!n_sections || !move(&r->sections, n_sections - 1, &r->section))
        return false;
    ret->section = r->section;
    ret->extra = number;
    return !(ret->flags & NV_COLUMN_BASED) ||
           (move(&r->extras, (uint32_t)footer->n_series - 1, &ret->extra) && ret->extra != number);
}

static bool get_place(struct reader *r, uint64_t end, struct nv_column *ret)
{
    int64_t jump;

    if (!nv_get_below(&r->lengths, UINT32_MAX - NV_PART_CRC, &ret->length))
        return false;
    if (ret->flags & NV_COLUMN_INLINE) {
        ret->offset = r->inlined;
        r->inlined += ret->length;
        return r->inlined <= r->bytes.n;
    }
    if (!nv_get_varint(&r->jumps, &jump))
        return false;
    ret->offset = r->expected + (uint64_t)jump;
    r->expected = ret->offset + ret->length + NV_PART_CRC;
    return ret->offset >= NV_BLOCK_HEADER && ret->offset <= end &&
           end - ret->offset >= (uint64_t)ret->length + NV_PART_CRC;
}

int nv_column_page_decode(struct nv_str in, const struct nv_footer *footer,
                          const struct nv_page_place *place, uint64_t end, struct nv_arena *arena,
                          struct nv_column_page *ret)
{
    struct reader r = {.expected = NV_BLOCK_HEADER};

    if (!nv_get_bytes(&in, place->n, &r.flags) || !nv_get_sized(&in, &r.groups) ||
        !nv_get_sized(&in, &r.sections) || !nv_get_sized(&in, &r.lengths) ||
        !nv_get_sized(&in, &r.jumps) || !nv_get_sized(&in, &r.extras))
        return -EBADMSG;
    r.bytes = in;
    struct nv_column *at = nv_arena_alloc(arena, place->n * sizeof(*at));
    if (!at)
        return -ENOMEM;
    for (uint32_t i = 0; i < place->n; i++) {
        at[i] = (struct nv_column){.flags = (uint8_t)r.flags.p[i]};
        if (at[i].flags & ~NV_COLUMN_FLAGS || !get_owner(&r, footer, place->first + i, &at[i]) ||
            !get_place(&r, end, &at[i]))
            return -EBADMSG;
    }
    if (r.groups.n || r.sections.n || r.lengths.n || r.jumps.n || r.extras.n ||
        r.inlined != r.bytes.n)
        return -EBADMSG;
    struct nv_str bytes = nv_arena_str(arena, r.bytes);
    if (!bytes.p)
        return -ENOMEM;
    *ret = (struct nv_column_page){place->n, at, bytes.p};
    return 0;
}
