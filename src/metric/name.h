/*
 * name.h - which names metrics and labels may have, and how texts are escaped.
 */
#ifndef NV_METRIC_NAME_H
#define NV_METRIC_NAME_H

#include "base/buf.h"

/* [a-zA-Z_:][a-zA-Z0-9_:]*, and the same without colons. */
bool nv_name_is_legacy_metric(struct nv_str name);
bool nv_name_is_legacy_label(struct nv_str name);

/* As in label values and quoted names: backslash, double quote and newline; invalid UTF-8 becomes
 * U+FFFD, one for each run. */
void nv_name_escape_value(struct nv_buf *out, struct nv_str value);

/* As in HELP lines: backslash and newline. */
void nv_name_escape_help(struct nv_buf *out, struct nv_str help);

#endif
