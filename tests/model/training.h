/* A small training in a folder, over a made-up source that may fail, for the tests of the loop and of what it
 * saves. */
#ifndef TEST_TRAINING_H
#define TEST_TRAINING_H

#include "loop.h"
#include "small_model.h"

enum { STEPS_PER_EPOCH = 5, EPOCHS = 4, STEPS = STEPS_PER_EPOCH * EPOCHS };

/* The source: batch number `step in all`; image i is called "image i". */
struct fake {
    struct small s;
    struct sim_batch *batch;
    int64_t nan_at, broken_at, stop_at; /* step in all, from 0; -1: never */
    volatile sig_atomic_t stop;
};

struct plan {
    struct small s;
    struct sim_train_config c;
    struct fake fake;
    int64_t steps_per_epoch;
    int resume, threads;
    const char *folder, *hash;
    sim_status (*on_epoch)(void *context, struct sim_epoch_stats *stats);
    void *context;
};

/* Four epochs on one thread; saved at the end only, the newest two kept. */
struct plan plan_of(const struct small *s, const char *folder);
/* The small model with drop path, layer scale and a patch embedding that is trained. */
struct small everything_on(void);

/* A whole process's work: model opened, trained, closed.  The caller frees result->curve. */
sim_status train(struct plan *p, struct sim_train_result *result);
/* The same where it must succeed; the curve goes to `curve` unless NULL.  Returns the epochs finished. */
int train_well(struct plan *p, struct sim_epoch_stats curve[EPOCHS]);

/* test_scratch's, but one that stays; the caller frees it. */
const char *fresh_folder(void);
/* Static buffers, four in rotation. */
const char *file_in(const char *folder, const char *name);
const char *checkpoint_of(const char *folder, int64_t step);
void copy_file(const char *from, const char *to);

/* Step of the newest checkpoint, which must be whole. */
int64_t saved_step(const char *folder);
/* The newest of both folders are of one step, and equal. */
void same_checkpoints(const char *one, const char *other);
/* In all but the timings. */
void same_curves(const struct sim_epoch_stats *a, const struct sim_epoch_stats *b, int count);

#endif
