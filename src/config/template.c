#include "config/template.h"

#include <stdio.h>

#include "config/template_parts.h"

/* What Prometheus puts before the text of an alert's label or annotation; error messages count its bytes. */
static const char alert_variables[] = "{{$labels := .Labels}}"
                                      "{{$externalLabels := .ExternalLabels}}"
                                      "{{$externalURL := .ExternalURL}}"
                                      "{{$value := .Value}}";

static int new_template(struct nv_str prefix, struct nv_str name, const char *before,
                        struct nv_str text, struct nv_template **ret,
                        char error[NV_TEMPLATE_ERROR_MAX])
{
    NV_AUTO(nv_template) *template_ = calloc(1, sizeof(*template_));
    size_t n_before = strlen(before);

    snprintf(error, NV_TEMPLATE_ERROR_MAX, "out of memory");
    if (!template_)
        return -ENOMEM;
    template_->memory = NV_ARENA((size_t)256 << 20); /* some 200 bytes for each of the text's */
    char *name_copy = nv_arena_alloc(&template_->memory, prefix.n + name.n + 1);
    char *copy = nv_arena_alloc(&template_->memory, n_before + text.n + 1);
    if (!name_copy || !copy)
        return -ENOMEM;
    memcpy(name_copy, prefix.p, prefix.n);
    if (name.n)
        memcpy(name_copy + prefix.n, name.p, name.n);
    memcpy(copy, before, n_before);
    if (text.n)
        memcpy(copy + n_before, text.p, text.n);
    template_->name = (struct nv_str){name_copy, prefix.n + name.n};
    template_->text = (struct nv_str){copy, n_before + text.n};
    int r = nv_template_parse(template_, error);
    if (r < 0)
        return r;
    *ret = nv_take(template_);
    return 0;
}

int nv_template_new(struct nv_str name, struct nv_str text, struct nv_template **ret,
                    char error[NV_TEMPLATE_ERROR_MAX])
{
    if (text.n > NV_TEMPLATE_TEXT_MAX) {
        snprintf(error, NV_TEMPLATE_ERROR_MAX, "template: %.*s:1: longer than %d bytes",
                 name.n < 256 ? (int)name.n : 256, name.p, NV_TEMPLATE_TEXT_MAX);
        return -EINVAL;
    }
    return new_template(NV_LIT(""), name, "", text, ret, error);
}

int nv_template_new_alert(struct nv_str alert, struct nv_str text, struct nv_template **ret,
                          char error[NV_TEMPLATE_ERROR_MAX])
{
    if (text.n > NV_TEMPLATE_TEXT_MAX) {
        snprintf(error, NV_TEMPLATE_ERROR_MAX, "template: __alert_%.*s:1: longer than %d bytes",
                 alert.n < 256 ? (int)alert.n : 256, alert.p, NV_TEMPLATE_TEXT_MAX);
        return -EINVAL;
    }
    bool has_actions = nv_str_contains(text, "{{"); /* most texts are the same for all */
    return new_template(NV_LIT("__alert_"), alert, has_actions ? alert_variables : "", text, ret,
                        error);
}

void nv_template_free(struct nv_template *template_)
{
    if (!template_)
        return;
    nv_arena_done(&template_->memory);
    free(template_);
}

bool nv_template_is_plain(const struct nv_template *template_)
{
    return template_->plain;
}

int nv_template_labels(struct nv_arena *memory, const struct nv_label *labels, size_t n_labels,
                       struct nv_template_value *ret)
{
    struct nv_template_pair *pairs = nv_arena_alloc(memory, n_labels * sizeof(*pairs));

    if (!pairs)
        return -ENOMEM;
    for (size_t i = 0; i < n_labels; i++)
        pairs[i] = (struct nv_template_pair){labels[i].name, nv_template_text(labels[i].value)};
    *ret = (struct nv_template_value){
        .kind = NV_TEMPLATE_TEXTS, .map = {pairs, n_labels, NULL}
    };
    return 0;
}

enum { DOT_MEMORY_MAX = 16 << 20 };

int nv_template_execute_alert(const struct nv_template *template_,
                              const struct nv_template_context *context,
                              const struct nv_template_alert *alert, struct nv_buf *out,
                              char error[NV_TEMPLATE_ERROR_MAX])
{
    struct nv_template_pair fields[] = {
        {NV_LIT("Labels"),         {.kind = NV_TEMPLATE_NIL}              },
        {NV_LIT("ExternalLabels"), {.kind = NV_TEMPLATE_NIL}              },
        {NV_LIT("ExternalURL"),    nv_template_text(context->external_url)},
        {NV_LIT("Value"),          nv_template_real(alert->value)         },
    };
    const struct nv_template_value dot = {
        .kind = NV_TEMPLATE_STRUCT,
        .map = {fields, 4,
                "struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL "
                "string; Value interface {} }"},
    };
    struct nv_arena memory = NV_ARENA(DOT_MEMORY_MAX);

    if (template_->plain) {
        if (template_->main.body)
            nv_buf_str(out, template_->main.body->text);
        return 0;
    }
    snprintf(error, NV_TEMPLATE_ERROR_MAX, "out of memory");
    int r = nv_template_labels(&memory, alert->labels, alert->n_labels, &fields[0].value);
    if (r == 0)
        r = nv_template_labels(&memory, alert->external_labels, alert->n_external_labels,
                               &fields[1].value);
    if (r == 0 && alert->histogram)
        r = nv_template_histogram(&memory, alert->histogram, &fields[3].value);
    if (r == 0)
        r = nv_template_execute(template_, context, &dot, out, error);
    nv_arena_done(&memory);
    return r;
}
