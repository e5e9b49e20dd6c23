/* What masked image modelling needs: tokens back in their places, the loss of predicted pixels. */
#include "cuda_ranks.h"
#include "kernels.h"

static void restore_tokens(const struct sim_ops *o, sim_act *y, const sim_act *z, const float *pos,
                           const int32_t *place, const float *mask_token, int64_t batch, int64_t taken,
                           int64_t patches, int64_t dim)
{
    struct sim_cuda *c = sim_cuda(o);
    sim_k_restore_tokens(c->stream, c->act, y, z, pos, place, mask_token, batch, taken, patches, dim);
}

static void restore_tokens_backward(const struct sim_ops *o, sim_act *dz, float *dmask_token,
                                    const sim_act *dy, const int32_t *index, const int32_t *place,
                                    int64_t batch, int64_t taken, int64_t patches, int64_t dim)
{
    struct sim_cuda *c = sim_cuda(o);
    void *scratch = sim_cuda_scratch(c, sim_k_restore_tokens_backward_bytes(batch, patches, dim));
    if (scratch)
        sim_k_restore_tokens_backward(c->stream, c->act, dz, dmask_token, dy, index, place, batch, taken,
                                      patches, dim, scratch);
}

/* Every rank hides as many patches, so a mean over all of them is the mean of the ranks'. */
static void pixel_loss(const struct sim_ops *o, double *loss, sim_act *dp, sim_act *target, const sim_act *p,
                       const float *images, const int32_t *place, int64_t batch, int64_t side, int64_t patch,
                       int64_t hidden, int normalise)
{
    struct sim_cuda *c = sim_cuda(o);
    const int64_t grid = side / patch, rows = batch * grid * grid, width = 3 * patch * patch;
    const double per = 1.0 / ((double)(batch * hidden) * (double)width);
    void *scratch = sim_cuda_scratch(c, sim_k_pixel_loss_bytes(rows));
    if (!scratch) return;
    sim_k_pixel_loss(c->stream, c->act, loss, dp, target, p, images, place, rows, side, patch, normalise,
                     per / sim_cuda_ranks_size(c), 2 * per, scratch);
    sim_cuda_sum_over_ranks(c, loss, 1);
}

void sim_cuda_fill_masked(struct sim_ops *o)
{
    o->restore_tokens = restore_tokens;
    o->restore_tokens_backward = restore_tokens_backward;
    o->pixel_loss = pixel_loss;
}
