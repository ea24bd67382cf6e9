/*
 * fuzz_yaml.c - YAML documents. Every node of the tree stands inside the text, and walking it whole stays within
 * the bound however aliases are knotted.
 */
#include "base/assert.h"
#include "config/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t walk(const struct nv_yaml *node, size_t depth)
{
    size_t n = 1;

    nv_assert(node->line >= 1 && node->column >= 1 && depth < 10000);
    if (node->kind == NV_YAML_SCALAR) {
        nv_assert(node->text.p && node->text.p[node->text.n] == '\0');
        (void)nv_yaml_is_null(node);
        return n;
    }
    for (size_t i = 0; i < node->n; i++) {
        if (node->kind == NV_YAML_LIST) {
            n += walk(node->items[i], depth + 1);
            continue;
        }
        nv_assert(node->pairs[i].key->kind == NV_YAML_SCALAR);
        n += walk(node->pairs[i].key, depth + 1) + walk(node->pairs[i].value, depth + 1);
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nv_arena memory = NV_ARENA(64 << 20);
    char error[NV_YAML_ERROR_MAX] = "";
    const struct nv_yaml *root = NULL;

    int r = nv_yaml_parse("f", (struct nv_str){(const char *)data, size}, &memory, &root, error);
    if (r == 0)
        (void)walk(root, 0);
    else
        nv_assert(error[0] && !strchr(error, '\n'));
    nv_arena_done(&memory);
    return 0;
}
