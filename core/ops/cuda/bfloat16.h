/* bfloat16 on the host: the upper half of a float32. */
#ifndef SIM_BFLOAT16_H
#define SIM_BFLOAT16_H

#include <stdint.h>
#include <string.h>

static inline float sim_bf16_widen(uint16_t bits)
{
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

/* To nearest, ties to even, too large to infinity.  Every NaN becomes 0x7fff, as a GPU's conversion has it.
 */
static inline uint16_t sim_bf16_round(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fff;
    return (uint16_t)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

#endif
