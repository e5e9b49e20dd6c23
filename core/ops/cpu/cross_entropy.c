/* Softmax cross-entropy against distributions: chunks of rows, one thread each, sums in order. */
#include "cpu.h"

#include <math.h>

/* -sum t log softmax(x) = log sum exp(x - top) sum t - sum t (x - top), in double: a row of logits is little
 * beside the product that made it. */
static double row_loss(float *dx, const float *x, const float *target, int64_t classes, double scale)
{
    double sum = 0, mass = 0, dot = 0;
    float top = x[0];
    for (int64_t k = 1; k < classes; k++) top = x[k] > top ? x[k] : top;
    for (int64_t k = 0; k < classes; k++) {
        sum += exp((double)x[k] - (double)top);
        mass += (double)target[k];
        if (target[k] != 0) dot += (double)target[k] * ((double)x[k] - (double)top);
    }
    for (int64_t k = 0; dx && k < classes; k++)
        dx[k] = (float)(scale * (exp((double)x[k] - (double)top) / sum * mass - (double)target[k]));
    return log(sum) * mass - dot;
}

static void cross_entropy(const struct sim_ops *o, double *loss, float *dlogits, const float *logits,
                          const float *target, int64_t rows, int64_t classes)
{
    struct sim_cpu *c = sim_cpu(o);
    const int64_t chunks = sim_chunks(rows, SIM_CHUNK_ROWS);
    double *part = (double *)sim_cpu_shared(c, (size_t)(2 * chunks)), total = 0;
    if (!part) return;
#pragma omp parallel for schedule(static)
    for (int64_t n = 0; n < chunks; n++) {
        part[n] = 0;
        for (int64_t r = n * SIM_CHUNK_ROWS; r < rows && r < (n + 1) * SIM_CHUNK_ROWS; r++)
            part[n] += row_loss(dlogits ? dlogits + r * classes : NULL, logits + r * classes,
                                target + r * classes, classes, 1 / (double)rows);
    }
    for (int64_t n = 0; n < chunks; n++) total += part[n];
    *loss = total / (double)rows;
    sim_cpu_mean_over_ranks(o, loss);
}

void sim_cpu_cross_entropy(struct sim_ops *o)
{
    o->cross_entropy = cross_entropy;
}
