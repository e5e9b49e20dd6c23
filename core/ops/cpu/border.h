/* Which pixel stands in for one beyond the edge (filters.h). */
#ifndef SIM_BORDER_H
#define SIM_BORDER_H

#include "filters.h"

/* The index in 0 .. n-1 that index i of a row of n reads, however far beyond. */
static inline int sim_border_index(int i, int n, enum sim_border border)
{
    if (i >= 0 && i < n) return i;
    if (border == SIM_BORDER_NEAREST || n == 1) return i < 0 ? 0 : n - 1;
    const int period = border == SIM_BORDER_REFLECT ? 2 * n : 2 * n - 2;
    i %= period;
    if (i < 0) i += period;
    return i < n ? i : period - i - (border == SIM_BORDER_REFLECT);
}

#endif
