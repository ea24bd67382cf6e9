/*
 * version.h - what this build is.
 */
#ifndef NV_AGENT_VERSION_H
#define NV_AGENT_VERSION_H

#include <stdio.h>

struct nv_version {
    const char *version;  /* of the project, "0.1.0" */
    const char *branch;   /* "unknown" where the source was no checkout */
    const char *revision; /* likewise */
    const char *compiler; /* "gcc 12.2.0" */
    const char *machine;  /* as Go names it: "amd64" */
};
extern const struct nv_version nv_version;

/* What --version shows. */
void nv_version_print(FILE *to);

#endif
