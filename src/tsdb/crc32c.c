/*
 * CRC32C: reflected polynomial 0x82f63b78, begins and ends inverted (RFC 3720, appendix B.4).
 *
 * SSE 4.2 and ARMv8 have an instruction for it; elsewhere a table serves for each nibble.
 */
#include "tsdb/fs.h"

#if defined(__x86_64__)
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc,
                                                                 const unsigned char *p, size_t n)
{
    uint64_t wide = crc;

    for (; n >= sizeof(wide); p += sizeof(wide), n -= sizeof(wide)) {
        uint64_t word;
        memcpy(&word, p, sizeof(word));
        wide = _mm_crc32_u64(wide, word);
    }
    crc = (uint32_t)wide;
    for (; n; p++, n--)
        crc = _mm_crc32_u8(crc, *p);
    return crc;
}

static bool has_instruction(void)
{
    return __builtin_cpu_supports("sse4.2");
}

#elif defined(__aarch64__)
#include <sys/auxv.h>

#include <arm_acle.h>
#include <asm/hwcap.h>

__attribute__((target("+crc"))) static uint32_t by_instruction(uint32_t crc, const unsigned char *p,
                                                               size_t n)
{
    for (; n >= sizeof(uint64_t); p += sizeof(uint64_t), n -= sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, p, sizeof(word));
        crc = __crc32cd(crc, word);
    }
    for (; n; p++, n--)
        crc = __crc32cb(crc, *p);
    return crc;
}

static bool has_instruction(void)
{
    return getauxval(AT_HWCAP) & HWCAP_CRC32;
}

#else

static uint32_t by_instruction(uint32_t crc, const unsigned char *p, size_t n)
{
    (void)p, (void)n;
    return crc;
}

static bool has_instruction(void)
{
    return false;
}
#endif

uint32_t nv_crc32c_by_table(uint32_t crc, const void *p, size_t n)
{
    static const uint32_t of_nibble[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
        0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };
    const unsigned char *byte = p;

    crc = ~crc;
    for (size_t i = 0; i < n; i++) {
        crc ^= byte[i];
        crc = crc >> 4 ^ of_nibble[crc & 15];
        crc = crc >> 4 ^ of_nibble[crc & 15];
    }
    return ~crc;
}

uint32_t nv_crc32c(uint32_t crc, const void *p, size_t n)
{
    return has_instruction() ? ~by_instruction(~crc, p, n) : nv_crc32c_by_table(crc, p, n);
}
