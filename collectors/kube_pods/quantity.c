/*
 * quantity.c - amounts as Kubernetes writes them: a decimal number and m, k, M ..., Ki, Mi ..., or e<number>.
 */
#include "pod.h"

#include <math.h>

static const struct {
    const char *name;
    double factor;
} suffixes[] = {
    {"n",  1e-9          },
    {"u",  1e-6          },
    {"m",  1e-3          },
    {"",   1             },
    {"k",  1e3           },
    {"M",  1e6           },
    {"G",  1e9           },
    {"T",  1e12          },
    {"P",  1e15          },
    {"E",  1e18          },
    {"Ki", 1024.         },
    {"Mi", 1048576.      },
    {"Gi", 1073741824.   },
    {"Ti", 1099511627776.},
    {"Pi", 0x1p50        },
    {"Ei", 0x1p60        },
};

/* Digits are counted apart from their point, so that 0.1 is a tenth of 1 and not a little more. */
struct decimal {
    double digits;
    int places; /* behind the point */
};

static bool read_decimal(struct nv_str *text, struct decimal *ret)
{
    bool negative = text->n && text->p[0] == '-', point = false, any = false;

    *ret = (struct decimal){0};
    if (text->n && (text->p[0] == '-' || text->p[0] == '+'))
        *text = nv_str_from(*text, 1);
    for (; text->n && (nv_is_digit(text->p[0]) || (!point && text->p[0] == '.'));
         *text = nv_str_from(*text, 1)) {
        if (text->p[0] == '.') {
            point = true;
            continue;
        }
        any = true;
        ret->digits = ret->digits * 10 + (text->p[0] - '0');
        ret->places += point;
    }
    if (negative)
        ret->digits = -ret->digits;
    return any && ret->digits < 1e300;
}

static bool read_factor(struct nv_str text, int *exponent, double *ret)
{
    int64_t power;

    *ret = 1;
    if (text.n > 1 && (text.p[0] == 'e' || text.p[0] == 'E') && !nv_str_is(text, "Ei")) {
        struct nv_str number = nv_str_from(text, text.p[1] == '+' ? 2 : 1);
        if (!nv_str_to_i64(number, &power) || power > 60 || power < -60)
            return false;
        *exponent = (int)power;
        return true;
    }
    for (size_t i = 0; i < NV_LEN(suffixes); i++) {
        if (nv_str_is(text, suffixes[i].name)) {
            *ret = suffixes[i].factor;
            return true;
        }
    }
    return false;
}

bool nv_kube_quantity(struct nv_str text, int64_t scale, double *ret)
{
    struct decimal decimal;
    double factor;
    int exponent = 0;

    text = nv_str_trim(text);
    if (!read_decimal(&text, &decimal) || !read_factor(text, &exponent, &factor))
        return false;
    double up = decimal.digits * (double)scale;
    int places = decimal.places - exponent;
    /* What divides comes last, since 1 / 1000 is exact and 0.001 is not. */
    if (factor >= 1)
        up *= factor;
    double down = factor < 1 ? round(1 / factor) : 1;
    for (; places > 0; places--)
        down *= 10;
    for (; places < 0; places++)
        up *= 10;
    *ret = up >= 0 ? ceil(up / down) : floor(up / down);
    return isfinite(*ret);
}
