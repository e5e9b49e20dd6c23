/* Fixed sine-cosine position tables (method.md 1.4). */
#ifndef SIM_POSITIONS_H
#define SIM_POSITIONS_H

#include <stdint.h>

/* Which half of a position comes first: [enc(row), enc(column)], or MAE's [enc(column), enc(row)]. */
enum sim_position_order { SIM_ROWS_FIRST, SIM_COLUMNS_FIRST };

/* table (1 + grid grid, dim): row 0 (cls) zero, then the patches in raster order; made in double.  dim % 4 ==
 * 0.
 */
void sim_absolute_positions(float *table, enum sim_position_order order, int64_t grid, int64_t dim);

#endif
