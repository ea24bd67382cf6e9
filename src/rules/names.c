/*
 * names.c - states as the API names them.
 */
#include "rules/rules.h"

const char *nv_rule_state_name(enum nv_rule_state state)
{
    static const char *const names[] = {"unknown", "inactive", "pending", "firing"};

    return names[state];
}

const char *nv_rule_health_name(enum nv_rule_health health)
{
    static const char *const names[] = {"unknown", "ok", "err"};

    return names[health];
}
