#include "positions.h"

#include <math.h>
#include <string.h>

void sim_absolute_positions(float *table, enum sim_position_order order, int64_t grid, int64_t dim)
{
    const int64_t width = dim / 4;
    memset(table, 0, (size_t)dim * sizeof *table);
    for (int64_t l = 0; l < grid * grid; l++) {
        float *to = table + (1 + l) * dim;
        const int64_t row = l / grid, column = l % grid;
        const double at[2] = {(double)(order == SIM_ROWS_FIRST ? row : column),
                              (double)(order == SIM_ROWS_FIRST ? column : row)};
        for (int axis = 0; axis < 2; axis++)
            for (int64_t k = 0; k < width; k++) {
                double angle = at[axis] / pow(10000.0, (double)k / (double)width);
                to[2 * axis * width + k] = (float)sin(angle);
                to[(2 * axis + 1) * width + k] = (float)cos(angle);
            }
    }
}
