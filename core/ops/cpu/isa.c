#include "isa.h"

#include <stdlib.h>
#include <string.h>

int sim_cpu_has_v3(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

int sim_cpu_kept_narrow(void)
{
    const char *wish = getenv("SIM_ISA");
    return wish && strcmp(wish, "avx2") == 0;
}

int sim_cpu_has_v4(void)
{
    if (sim_cpu_kept_narrow()) return 0;
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512cd");
}
