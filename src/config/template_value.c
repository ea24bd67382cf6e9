/*
 * template_value.c - values as Go prints them with %v, and what counts as true.
 */
#include "config/template_parts.h"

#include <math.h>
#include <stdio.h>

#include "base/number.h"

enum { NESTED_MAX = 32 }; /* levels of values within values that are printed */

const char *nv_template_type(const struct nv_template_value *value)
{
    static const char *const names[] = {
        [NV_TEMPLATE_NIL] = "<nil>",
        [NV_TEMPLATE_BOOL] = "bool",
        [NV_TEMPLATE_INT] = "int",
        [NV_TEMPLATE_REAL] = "float64",
        [NV_TEMPLATE_TEXT] = "string",
        [NV_TEMPLATE_LIST] = "template.queryResult",
        [NV_TEMPLATE_MAP] = "map[string]interface {}",
        [NV_TEMPLATE_TEXTS] = "map[string]string",
        [NV_TEMPLATE_STRUCT] = "struct",
        [NV_TEMPLATE_TIME] = "time.Time",
        [NV_TEMPLATE_DURATION] = "time.Duration",
        [NV_TEMPLATE_HISTOGRAM] = "*histogram.FloatHistogram",
    };

    return value->kind == NV_TEMPLATE_STRUCT && value->map.type ? value->map.type
                                                                : names[value->kind];
}

bool nv_template_truth(const struct nv_template_value *value)
{
    switch (value->kind) {
    case NV_TEMPLATE_NIL:
        return false;
    case NV_TEMPLATE_BOOL:
        return value->yes;
    case NV_TEMPLATE_INT:
    case NV_TEMPLATE_DURATION:
        return value->whole != 0;
    case NV_TEMPLATE_REAL:
        return value->real != 0;
    case NV_TEMPLATE_TEXT:
        return value->text.n != 0;
    case NV_TEMPLATE_LIST:
        return value->list.n != 0;
    case NV_TEMPLATE_MAP:
    case NV_TEMPLATE_TEXTS:
        return value->map.n != 0;
    default:
        return true;
    }
}

const struct nv_template_value *nv_template_get(const struct nv_template_value *map,
                                                struct nv_str key)
{
    for (size_t i = 0; i < map->map.n; i++) {
        if (nv_str_eq(map->map.pairs[i].key, key))
            return &map->map.pairs[i].value;
    }
    return NULL;
}

void nv_template_write_real(struct nv_buf *out, double value, char verb, int precision)
{
    char text[NV_NUMBER_MAX];

    if (!isfinite(value)) {
        nv_buf_text(out, isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf");
        return;
    }
    if (precision < 0 && verb == 'g') {
        nv_buf_text(out, value == 0 && signbit(value) ? "-" : "");
        nv_buf_add(out, text, nv_number_text(text, value));
        return;
    }
    precision = precision < 0 ? 6 : precision;
    switch (verb) {
    case 'e':
        nv_buf_printf(out, "%.*e", precision, value);
        break;
    case 'E':
        nv_buf_printf(out, "%.*E", precision, value);
        break;
    case 'G':
        nv_buf_printf(out, "%.*G", precision, value);
        break;
    case 'g':
        nv_buf_printf(out, "%.*g", precision, value);
        break;
    default:
        nv_buf_printf(out, "%.*f", precision, value);
    }
}

static void print(struct nv_buf *out, const struct nv_template_value *value, unsigned depth);

static void print_map(struct nv_buf *out, const struct nv_template_value *value, unsigned depth)
{
    bool is_struct = value->kind == NV_TEMPLATE_STRUCT;

    nv_buf_text(out, is_struct ? "{" : "map[");
    for (size_t i = 0; i < value->map.n; i++) {
        nv_buf_text(out, i ? " " : "");
        if (!is_struct) {
            nv_buf_str(out, value->map.pairs[i].key);
            nv_buf_char(out, ':');
        }
        print(out, &value->map.pairs[i].value, depth + 1);
    }
    nv_buf_char(out, is_struct ? '}' : ']');
}

static void print_list(struct nv_buf *out, const struct nv_template_value *value, unsigned depth)
{
    nv_buf_char(out, '[');
    for (size_t i = 0; i < value->list.n; i++) {
        nv_buf_text(out, i ? " " : "");
        print(out, &value->list.items[i], depth + 1);
    }
    nv_buf_char(out, ']');
}

static void print(struct nv_buf *out, const struct nv_template_value *value, unsigned depth)
{
    if (depth > NESTED_MAX || out->failed) { /* a value may hold itself many times over */
        nv_buf_text(out, "...");
        return;
    }
    switch (value->kind) {
    case NV_TEMPLATE_NIL:
        nv_buf_text(out, "<nil>");
        break;
    case NV_TEMPLATE_BOOL:
        nv_buf_text(out, value->yes ? "true" : "false");
        break;
    case NV_TEMPLATE_INT:
        nv_buf_printf(out, "%lld", (long long)value->whole);
        break;
    case NV_TEMPLATE_REAL:
        nv_template_write_real(out, value->real, 'g', -1);
        break;
    case NV_TEMPLATE_TEXT:
    case NV_TEMPLATE_HISTOGRAM:
        nv_buf_str(out, value->text);
        break;
    case NV_TEMPLATE_LIST:
        print_list(out, value, depth);
        break;
    case NV_TEMPLATE_TIME:
        nv_go_time_text(out, value->whole);
        break;
    case NV_TEMPLATE_DURATION:
        nv_go_duration_text(out, value->whole);
        break;
    default:
        print_map(out, value, depth);
    }
}

void nv_template_print(struct nv_buf *out, const struct nv_template_value *value)
{
    print(out, value, 0);
}
