/* Losses.  Rows of all ranks are equal in number, so a mean over all of them is the mean of the ranks'. */
#include "cuda_ranks.h"
#include "kernels.h"
#include "products.h"

/* In float32 whatever the products' type: the loss's curvature is not to be rounded to 8 bits. */
static void covariance(const struct sim_ops *o, float *out, const sim_act *t, int64_t rows, int64_t dim)
{
    struct sim_cuda *c = sim_cuda(o);
    const double all = (double)rows * sim_cuda_ranks_size(c);
    struct sim_product p = sim_product_dense(c->act, SIM_T, SIM_N, dim, dim, rows, t, t, out);
    p.out = SIM_ELEMENT_F32;
    p.alpha = (float)(1 / all);
    sim_products_run(c, &p);
    sim_cuda_sum_floats_over_ranks(c, out, dim * dim);
}

/* dp holds p C at first; C in the products' type is made in scratch. */
static void unigrad(const struct sim_ops *o, double *loss, sim_act *dp, const sim_act *p, const sim_act *t,
                    const float *covariance_t, int64_t rows, int64_t dim, double neg_weight)
{
    struct sim_cuda *c = sim_cuda(o);
    const size_t parts = (sim_k_unigrad_bytes(rows) + 255) / 256 * 256;
    const double per = 1.0 / ((double)rows * (double)dim);
    const void *of_act = covariance_t;
    unsigned char *scratch = sim_cuda_scratch(c, parts + (size_t)(dim * dim) * o->act_bytes);
    if (!scratch) return;
    if (c->act != SIM_ELEMENT_F32) {
        sim_k_convert(c->stream, scratch + parts, c->act, covariance_t, SIM_ELEMENT_F32, dim * dim);
        of_act = scratch + parts;
    }
    const struct sim_product by_covariance =
        sim_product_dense(c->act, SIM_N, SIM_N, rows, dim, dim, p, of_act, dp);
    sim_products_run(c, &by_covariance);
    sim_k_unigrad(c->stream, c->act, loss, dp, p, t, rows, dim, neg_weight, per / sim_cuda_ranks_size(c),
                  2 * per, scratch);
    sim_cuda_sum_over_ranks(c, loss, 1);
}

static void cross_entropy(const struct sim_ops *o, double *loss, sim_act *dlogits, const sim_act *logits,
                          const float *target, int64_t rows, int64_t classes)
{
    struct sim_cuda *c = sim_cuda(o);
    const double per = 1.0 / (double)rows;
    void *scratch = sim_cuda_scratch(c, sim_k_cross_entropy_bytes(rows));
    if (!scratch) return;
    sim_k_cross_entropy(c->stream, c->act, loss, dlogits, logits, target, rows, classes,
                        per / sim_cuda_ranks_size(c), per, scratch);
    sim_cuda_sum_over_ranks(c, loss, 1);
}

void sim_cuda_fill_loss(struct sim_ops *o)
{
    o->covariance = covariance;
    o->unigrad = unigrad;
    o->cross_entropy = cross_entropy;
}
