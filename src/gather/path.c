#include "gather/path.h"

/* Takes the last part off; false where there is none, or it is a ".." that must stay. */
static bool pop(struct nv_buf *out, size_t start)
{
    size_t n = out->n;

    while (n > start && out->p[n - 1] != '/')
        n--;
    struct nv_str last = {out->p + n, out->n - n};
    if (!last.n || nv_str_is(last, ".."))
        return false;
    out->n = n > start ? n - 1 : n;
    return true;
}

static void add_parts(struct nv_buf *out, struct nv_str path, size_t start, bool absolute)
{
    while (path.n) {
        struct nv_str part = nv_str_cut(&path, '/');
        if (!part.n || nv_str_is(part, "."))
            continue;
        if (nv_str_is(part, "..") && (pop(out, start) || absolute))
            continue;
        if (out->n > start)
            nv_buf_char(out, '/');
        nv_buf_str(out, part);
    }
}

void nv_path_join(struct nv_buf *out, struct nv_str root, struct nv_str rest)
{
    bool absolute = root.n && root.p[0] == '/';

    if (absolute)
        nv_buf_char(out, '/');
    size_t start = out->n;
    add_parts(out, root, start, absolute);
    add_parts(out, rest, start, absolute);
    if (out->n == start && !absolute)
        nv_buf_char(out, '.');
}
