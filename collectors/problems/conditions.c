#include "conditions.h"

const struct nv_condition *nv_conditions_now(const struct nv_conditions *conditions, unsigned type)
{
    const struct nv_condition *newest = NULL;

    for (size_t i = 0; i < conditions->n; i++) {
        const struct nv_condition *condition = &conditions->at[i];
        if (condition->type == type && (!newest || condition->order > newest->order))
            newest = condition;
    }
    return newest;
}

static void remove_at(struct nv_conditions *conditions, size_t i)
{
    conditions->at[i] = conditions->at[--conditions->n];
}

/* Room for one more. */
static struct nv_condition *make_room(struct nv_conditions *conditions)
{
    size_t oldest = 0;

    if (conditions->n < NV_PROBLEM_CONDITIONS_MAX)
        return &conditions->at[conditions->n++];
    for (size_t i = 1; i < conditions->n; i++)
        if (conditions->at[i].heard_ms < conditions->at[oldest].heard_ms)
            oldest = i;
    return &conditions->at[oldest];
}

static bool is_device(const struct nv_condition *condition, struct nv_str device)
{
    size_t n = device.n < sizeof(condition->device) ? device.n : sizeof(condition->device) - 1;

    return nv_str_is((struct nv_str){device.p, n}, condition->device);
}

bool nv_conditions_set(struct nv_conditions *conditions, unsigned type, unsigned reason,
                       struct nv_str device, int64_t time_ms)
{
    struct nv_condition *condition = NULL;

    for (size_t i = 0; i < conditions->n && !condition; i++)
        if (conditions->at[i].type == type && is_device(&conditions->at[i], device))
            condition = &conditions->at[i];
    if (condition && condition->reason == reason) {
        if (time_ms > condition->heard_ms)
            condition->heard_ms = time_ms;
        return false;
    }
    if (!condition)
        condition = make_room(conditions);
    *condition = (struct nv_condition){
        .type = type,
        .reason = reason,
        .since_ms = time_ms,
        .heard_ms = time_ms,
        .order = ++conditions->order,
    };
    snprintf(condition->device, sizeof(condition->device), "%.*s", NV_ARGS(device));
    return true;
}

bool nv_conditions_end(struct nv_conditions *conditions, unsigned type, struct nv_str device)
{
    size_t before = conditions->n;

    for (size_t i = conditions->n; i-- > 0;)
        if (conditions->at[i].type == type && (!device.n || is_device(&conditions->at[i], device)))
            remove_at(conditions, i);
    return conditions->n != before;
}

bool nv_conditions_age(struct nv_conditions *conditions, int64_t before_ms)
{
    size_t before = conditions->n;

    for (size_t i = conditions->n; i-- > 0;)
        if (conditions->at[i].heard_ms < before_ms)
            remove_at(conditions, i);
    return conditions->n != before;
}
