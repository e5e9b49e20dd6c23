/* Small SiameseIM models and made-up batches, for the tests of core/model, core/pretrain and core/train. */
#ifndef TEST_SMALL_MODEL_H
#define TEST_SMALL_MODEL_H

#define SIM_ACT float /* the CPU backend's, whose memory the tests read */
#include "batch.h"
#include "siameseim.h"
#include "support.h"
#include "train_config.h"

/* One configuration; `hidden` patches of view 1 are masked. */
struct small {
    const char *name;
    struct sim_vit_config vit;
    struct sim_siameseim_config c;
    int64_t batch, hidden;
};

/* 16 px in 4 px patches, width 24, 2 blocks of 3 heads; decoder 16 of 2 heads, one projector and one
 * predictor block with BN; dense loss, frozen patch embedding, batch of 4 with 9 of 16 patches hidden.  The
 * caller changes what it tests. */
struct small small_model(void);
/* The paper's ViT-B/16 at 224 px (method.md 1.1), batch 1, 118 of 196 patches hidden. */
struct small vit_b(void);
int64_t small_patches(const struct small *s);

/* The CPU backend on one thread, as models of this size gain nothing from more; the caller closes it.  Opened
 * in the process that uses it: threads do not survive a fork. */
struct sim_ops small_ops(void);
/* An open objective over `ops`, weights from `seed`; the caller closes it. */
struct sim_objective small_open(const struct sim_ops *ops, const struct small *s, uint64_t seed);

/* What most tests are about: an objective with shaken weights, the backend it runs on, a batch for it. */
struct small_bench {
    struct small s;
    struct sim_ops ops;
    struct sim_objective o;
    struct sim_batch *batch;
};

/* `open` makes the objective; NULL: small_open.  The caller closes the bench and does not move it. */
void small_bench_open(struct small_bench *b, const struct small *s,
                      sim_status (*open)(struct sim_objective *out, const struct sim_ops *ops,
                                         const struct small *s));
void small_bench_close(struct small_bench *b);

/* Schedules and optimiser of the loop's tests: 4 epochs, lr 1e-3, warm-up 1, saving only at the end. */
struct sim_train_config small_training(const struct small *s);

/* A batch whose bytes are a function of (number, configuration) alone: pixels N(0, 1), masks of exactly
 * `hidden` patches, plausible geometry.  Own memory; released by small_batch_close. */
struct sim_batch *small_batch(const struct small *s, uint64_t number);
void small_batch_close(struct sim_batch *b);

/* Loss and gradients, waited for; SIM_EINVAL where the batch is refused. */
sim_status small_step(const struct sim_objective *o, const struct sim_batch *batch, double momentum,
                      int64_t epoch, const struct sim_trace *trace, double *loss);

/* Random values in every row but positions and BN statistics, momentum rows too, so that no gradient is small
 * or symmetric by accident of the initialisation. */
void small_shake(struct sim_params *p, uint64_t seed);

/* A whole file; *size is set, the caller frees. */
char *small_read(const char *path, size_t *size);

#endif
