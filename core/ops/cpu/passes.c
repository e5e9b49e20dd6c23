/* The loss, and the passes over the parameter block: pieces of fixed size, one thread each, sums in order. */
#include "cpu.h"

#include <stdlib.h>

enum { PIECE = 16384 };

static double unigrad(const struct sim_ops *o, float *dp, const float *p, const float *t, const float *pc,
                      int64_t rows, int64_t dim, double neg_weight)
{
    struct sim_cpu *c = sim_cpu(o);
    int64_t chunks = sim_chunks(rows, SIM_CHUNK_ROWS);
    double per = 1.0 / ((double)rows * (double)dim), loss = 0;
    double *part = (double *)sim_cpu_shared(c, (size_t)(2 * chunks));
    if (!part) return 0;
#pragma omp parallel for schedule(static)
    for (int64_t n = 0; n < chunks; n++) {
        int64_t r = n * SIM_CHUNK_ROWS, at = r * dim;
        part[n] = c->k.unigrad_rows(dp ? dp + at : NULL, p + at, t + at, pc + at,
                                    sim_min(SIM_CHUNK_ROWS, rows - r), dim, neg_weight, 2 * per);
    }
    for (int64_t n = 0; n < chunks; n++) loss += part[n];
    return loss * per;
}

struct piece {
    int64_t segment, first, count;
};

/* Cuts the segments into pieces; the caller frees.  NULL, recorded, without memory. */
static struct piece *cut(struct sim_cpu *c, const struct sim_segment *s, int count, int64_t *pieces)
{
    int64_t total = 0, n = 0;
    for (int i = 0; i < count; i++) total += sim_chunks(s[i].count, PIECE);
    *pieces = total;
    struct piece *list = malloc((size_t)(total ? total : 1) * sizeof *list);
    if (!list) {
        sim_cpu_fail(c, SIM_ENOMEM, "no memory to cut the parameter block into pieces");
        *pieces = 0;
        return NULL;
    }
    for (int i = 0; i < count; i++)
        for (int64_t at = 0; at < s[i].count; at += PIECE)
            list[n++] = (struct piece){i, at, sim_min(PIECE, s[i].count - at)};
    return list;
}

static double sum_squares(const struct sim_ops *o, const struct sim_segment *s, int count)
{
    struct sim_cpu *c = sim_cpu(o);
    int64_t pieces;
    struct piece *list = cut(c, s, count, &pieces);
    double *part = list ? (double *)sim_cpu_shared(c, (size_t)(2 * pieces)) : NULL, total = 0;
    if (part) {
#pragma omp parallel for schedule(static)
        for (int64_t n = 0; n < pieces; n++)
            part[n] = c->k.flat_squares(s[list[n].segment].g + list[n].first, list[n].count);
        for (int64_t n = 0; n < pieces; n++) total += part[n];
    }
    free(list);
    return total;
}

static void adamw(const struct sim_ops *o, const struct sim_segment *s, int count, const struct sim_adamw *h)
{
    struct sim_cpu *c = sim_cpu(o);
    int64_t pieces;
    struct piece *list = cut(c, s, count, &pieces);
#pragma omp parallel for schedule(static)
    for (int64_t n = 0; n < pieces; n++) {
        const struct sim_segment *one = &s[list[n].segment];
        int64_t at = list[n].first;
        c->k.flat_adamw(one->p + at, one->g + at, one->m + at, one->v + at, list[n].count, h,
                        one->weight_decay);
    }
    free(list);
}

static void ema(const struct sim_ops *o, const struct sim_segment *s, int count, double momentum)
{
    struct sim_cpu *c = sim_cpu(o);
    int64_t pieces;
    struct piece *list = cut(c, s, count, &pieces);
#pragma omp parallel for schedule(static)
    for (int64_t n = 0; n < pieces; n++)
        c->k.flat_ema(s[list[n].segment].p + list[n].first, s[list[n].segment].g + list[n].first,
                      list[n].count, momentum);
    free(list);
}

void sim_cpu_passes(struct sim_ops *o)
{
    o->unigrad = unigrad;
    o->sum_squares = sum_squares;
    o->adamw = adamw;
    o->ema = ema;
}
