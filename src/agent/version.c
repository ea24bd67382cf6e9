#include "agent/version.h"

#ifdef __clang__
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

#if defined(__x86_64__)
#define MACHINE "amd64"
#elif defined(__aarch64__)
#define MACHINE "arm64"
#elif defined(__i386__)
#define MACHINE "386"
#elif defined(__arm__)
#define MACHINE "arm"
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define MACHINE "ppc64le"
#elif defined(__s390x__)
#define MACHINE "s390x"
#elif defined(__riscv) && __riscv_xlen == 64
#define MACHINE "riscv64"
#else
#define MACHINE "unknown"
#endif

/* The build gives the other three to this file alone: a commit then compiles this file alone. */
const struct nv_version nv_version = {NV_VERSION, NV_BRANCH, NV_REVISION, COMPILER, MACHINE};

void nv_version_print(FILE *to)
{
    fprintf(to, "nodevitals, version %s (branch: %s, revision: %s)\n", nv_version.version,
            nv_version.branch, nv_version.revision);
    fprintf(to, "  compiler:         %s\n", nv_version.compiler);
    fprintf(to, "  platform:         linux/%s\n", nv_version.machine);
}
