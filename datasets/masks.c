/* Which patches of view 1 are hidden (method.md 1.5): BEiT's blocks with an exact count, or cells at random.
 */
#include <math.h>
#include <string.h>

#include "rng.h"
#include "views.h"

/* Hides `more` of the `free` cells that are still visible, every subset equally likely: a walk in raster
 * order that takes each cell with probability (still wanted) / (still to come), which needs no list to
 * shuffle. */
static void fill_at_random(struct sim_rng *r, uint8_t *mask, int cells, int free, int more)
{
    for (int p = 0; p < cells && more > 0; p++) {
        if (mask[p]) continue;
        if (sim_rng_below(r, (uint32_t)free) < (uint32_t)more) mask[p] = 1, more--;
        free--;
    }
}

/* Up to ten attempts at a block of at most `most` new cells; returns how many were hidden, 0 when none
 * fitted. */
static int place_block(const struct sim_mask_config *c, struct sim_rng *r, int grid, int most, uint8_t *mask)
{
    double log_aspect = log(c->min_aspect);
    for (int attempt = 0; attempt < 10; attempt++) {
        /* When fewer cells are wanted than the smallest block has, the interval is simply reversed. */
        double area = sim_rng_between(r, (double)c->min_block, most);
        double aspect = exp(sim_rng_between(r, log_aspect, -log_aspect));
        double h = rint(sqrt(area * aspect)), w = rint(sqrt(area / aspect));
        if (!(h < grid && w < grid)) continue;
        int rows = (int)h, columns = (int)w, fresh = rows * columns;
        int top = (int)sim_rng_below(r, (uint32_t)(grid - rows) + 1);
        int left = (int)sim_rng_below(r, (uint32_t)(grid - columns) + 1);
        for (int y = top; y < top + rows; y++)
            for (int x = left; x < left + columns; x++) fresh -= mask[y * grid + x];
        if (!(0 < fresh && fresh <= most)) continue;
        for (int y = top; y < top + rows; y++) memset(mask + y * grid + left, 1, (size_t)columns);
        return fresh;
    }
    return 0;
}

void sim_mask_draw(const struct sim_mask_config *c, uint64_t seed, uint32_t epoch, uint64_t index, int grid,
                   int hidden, uint8_t *mask)
{
    struct sim_rng r = sim_rng_make(seed, SIM_PURPOSE_MASK, epoch, index, 0);
    int cells = grid * grid, done = 0, fresh = 1;
    memset(mask, 0, (size_t)cells);
    while (c->kind == SIM_MASK_BLOCKWISE && done < hidden && fresh > 0)
        done += fresh = place_block(c, &r, grid, hidden - done, mask);
    fill_at_random(&r, mask, cells, cells - done, hidden - done);
}
