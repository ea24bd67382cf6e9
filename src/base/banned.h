/*
 * banned.h - what invites overruns does not compile. Included by the compiler in front of every file.
 */
#ifndef NV_BASE_BANNED_H
#define NV_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#undef alloca
#undef sprintf
#undef strcpy
#undef strcat
#undef strncpy
#undef strncat
#undef vsprintf

#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf strtok gets atoi atol atoll atof
#pragma GCC poison sscanf alloca

#endif
