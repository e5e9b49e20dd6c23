/* Fixed sine-cosine position tables, rows first (method.md 1.4; MAE's tables swap the halves). */
#ifndef SIM_POSITIONS_H
#define SIM_POSITIONS_H

#include <stdint.h>

/* table (1 + grid grid, dim): row 0 (cls) zero, then [enc(row), enc(column)]; made in double.  dim % 4 == 0.
 */
void sim_absolute_positions(float *table, int64_t grid, int64_t dim);

#endif
