/* Weighted k nearest neighbours by cosine similarity.  Similarities are one matrix product per pair of tiles;
 * each val row keeps its k best in a heap that sees the train rows in order, so the tiling and the number of
 * threads change no byte. */
#define SIM_ACT float /* features lie on the host: the CPU backend multiplies them */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "ops.h"
#include "progress.h"
#include "protocol.h"

enum { VAL_TILE = 256, TRAIN_TILE = 2048 };

struct neighbour {
    float similarity;
    int64_t row; /* of the train set */
};

struct knn {
    int64_t k;
    double temperature;
    const struct sim_features *train, *val;
    float *train_unit, *val_unit; /* (count, dim) rows of norm 1, or 0 */
    float *similarity;            /* (VAL_TILE, TRAIN_TILE) */
    struct neighbour *nearest;    /* (VAL_TILE, k) heaps, the worst on top */
    double *vote;                 /* (VAL_TILE, classes) */
    int64_t kept[VAL_TILE];       /* neighbours in each heap */
};

/* Copies rows at unit length; returns how many have no direction: they stay zero, alike to nothing. */
static int64_t unit_rows(const struct sim_features *f, float *out)
{
    int64_t zero = 0;
    for (int64_t i = 0; i < f->count; i++) {
        double squares = 0;
        for (int j = 0; j < f->dim; j++) squares += (double)f->x[i * f->dim + j] * f->x[i * f->dim + j];
        zero += squares == 0;
        double scale = squares > 0 ? 1 / sqrt(squares) : 0;
        for (int j = 0; j < f->dim; j++) out[i * f->dim + j] = (float)(f->x[i * f->dim + j] * scale);
    }
    return zero;
}

/* Less alike, or as alike and later: of equals the lower train row is the nearer neighbour. */
static int worse(struct neighbour a, struct neighbour b)
{
    return a.similarity < b.similarity || (a.similarity == b.similarity && a.row > b.row);
}

static void sift_down(struct neighbour *heap, int64_t count, int64_t at)
{
    for (;;) {
        int64_t child = 2 * at + 1;
        if (child >= count) return;
        if (child + 1 < count && worse(heap[child + 1], heap[child])) child++;
        if (!worse(heap[child], heap[at])) return;
        struct neighbour swap = heap[at];
        heap[at] = heap[child];
        heap[child] = swap;
        at = child;
    }
}

static void offer(struct neighbour *heap, int64_t *count, int64_t k, struct neighbour x)
{
    if (*count == k) {
        if (!worse(heap[0], x)) return;
        heap[0] = x;
        sift_down(heap, k, 0);
        return;
    }
    int64_t at = (*count)++;
    while (at > 0 && worse(x, heap[(at - 1) / 2])) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = x;
}

static int nearest_first(const void *a, const void *b)
{
    const struct neighbour *x = a, *y = b;
    return worse(*x, *y) ? 1 : worse(*y, *x) ? -1 : 0;
}

/* The class with most votes.  exp((s - best) / T): the common factor changes no order and cannot overflow. */
static int32_t elect(const struct knn *n, int64_t row)
{
    struct neighbour *heap = n->nearest + row * n->k;
    double *vote = n->vote + row * n->train->classes;
    memset(vote, 0, (size_t)n->train->classes * sizeof *vote);
    qsort(heap, (size_t)n->k, sizeof *heap, nearest_first);
    for (int64_t i = 0; i < n->k; i++)
        vote[n->train->label[heap[i].row]] +=
            exp(((double)heap[i].similarity - heap[0].similarity) / n->temperature);
    int32_t best = 0;
    for (int32_t c = 1; c < n->train->classes; c++)
        if (vote[c] > vote[best]) best = c;
    return best;
}

/* Right answers among val rows first .. first+rows-1. */
static sim_status score_tile(struct knn *n, const struct sim_ops *ops, int64_t first, int64_t rows,
                             int64_t *right)
{
    int64_t dim = n->train->dim;
    memset(n->kept, 0, sizeof n->kept);
    for (int64_t from = 0; from < n->train->count; from += TRAIN_TILE) {
        int64_t count = n->train->count - from < TRAIN_TILE ? n->train->count - from : TRAIN_TILE;
        ops->gemm(ops, SIM_N, SIM_T, rows, count, dim, 1, n->val_unit + first * dim, dim,
                  n->train_unit + from * dim, dim, 0, n->similarity, TRAIN_TILE);
        SIM_TRY(ops->finish(ops));
#pragma omp parallel for schedule(static)
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < count; j++)
                offer(n->nearest + i * n->k, &n->kept[i], n->k,
                      (struct neighbour){n->similarity[i * TRAIN_TILE + j], from + j});
    }
    int64_t found = 0;
#pragma omp parallel for schedule(static) reduction(+ : found)
    for (int64_t i = 0; i < rows; i++) found += elect(n, i) == n->val->label[first + i];
    *right += found;
    return SIM_OK;
}

static sim_status score_rows(struct knn *n, const volatile sig_atomic_t *stop, int64_t *right)
{
    struct sim_ops ops;
    SIM_TRY(sim_ops_cpu_open(&ops, NULL));
    struct sim_progress progress;
    sim_progress_start(&progress, "kNN", "images", n->val->count);
    sim_status status = SIM_OK;
    for (int64_t first = 0; first < n->val->count && status == SIM_OK; first += VAL_TILE) {
        int64_t rows = n->val->count - first < VAL_TILE ? n->val->count - first : VAL_TILE;
        status = sim_score_go_on(stop);
        if (status == SIM_OK) status = score_tile(n, &ops, first, rows, right);
        sim_progress_update(&progress, first + rows, NULL);
    }
    sim_progress_finish(&progress);
    ops.close(&ops);
    return status;
}

sim_status sim_score_knn(const struct sim_features *train, const struct sim_features *val,
                         const struct sim_eval_config *c, const volatile sig_atomic_t *stop,
                         struct sim_score *out)
{
    SIM_TRY(sim_features_check(train, val, "knn"));
    if (c->knn_k < 1 || c->knn_k > train->count)
        return sim_fail(SIM_EINVAL, "knn: eval.knn_k is %lld; the train set offers 1 to %lld neighbours",
                        (long long)c->knn_k, (long long)train->count);
    if (!(c->knn_temperature > 0))
        return sim_fail(SIM_EINVAL, "knn: eval.knn_temperature is %g; it must be above 0",
                        c->knn_temperature);

    struct knn n = {.k = c->knn_k, .temperature = c->knn_temperature, .train = train, .val = val};
    size_t dim = (size_t)train->dim;
    n.train_unit = sim_calloc_aligned((size_t)train->count, dim * sizeof *n.train_unit);
    n.val_unit = sim_calloc_aligned((size_t)val->count, dim * sizeof *n.val_unit);
    n.similarity = sim_calloc_aligned((size_t)VAL_TILE * TRAIN_TILE, sizeof *n.similarity);
    n.nearest = sim_calloc_aligned(VAL_TILE * (size_t)n.k, sizeof *n.nearest);
    n.vote = sim_calloc_aligned(VAL_TILE * (size_t)train->classes, sizeof *n.vote);
    sim_status status = SIM_OK;
    int64_t right = 0, zero = 0;
    if (!n.train_unit || !n.val_unit || !n.similarity || !n.nearest || !n.vote)
        status = sim_fail(SIM_ENOMEM, "knn: no memory for %lld train and %lld val rows",
                          (long long)train->count, (long long)val->count);
    if (status == SIM_OK) {
        zero = unit_rows(train, n.train_unit) + unit_rows(val, n.val_unit);
        status = score_rows(&n, stop, &right);
    }
    if (status == SIM_OK) {
        sim_score_fill(out, "knn", right, train->count, val->count);
        snprintf(
            out->protocol, sizeof out->protocol,
            "{\"features\": \"mean_patch\", \"similarity\": \"cosine\", \"k\": %lld, \"temperature\": %.9g, "
            "\"zero_rows\": %lld}",
            (long long)c->knn_k, c->knn_temperature, (long long)zero);
    }
    free(n.train_unit);
    free(n.val_unit);
    free(n.similarity);
    free(n.nearest);
    free(n.vote);
    return status;
}
