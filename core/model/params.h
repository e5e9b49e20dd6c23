/* The parameter table (DESIGN.md, decision 1): one row per tensor, named as in the public checkpoint's
 * state_dict, all floats in one block.  AdamW, clipping, EMA and checkpoints are passes over it; nothing else
 * lists tensors. */
#ifndef SIM_PARAMS_H
#define SIM_PARAMS_H

#include <stddef.h>
#include <stdint.h>

#include "ops.h"
#include "safetensors.h"

enum sim_init {
    SIM_INIT_CONSTANT, /* init_value everywhere */
    SIM_INIT_NORMAL,   /* N(0, init_value) */
    SIM_INIT_XAVIER,   /* uniform, bound sqrt(6 / (rows + columns)) of the (shape[0], rest) matrix */
    SIM_INIT_FAN_IN,   /* uniform, bound 1 / sqrt(init_value): PyTorch's default for a convolution's bias */
    SIM_INIT_POSITIONS /* the fixed sine-cosine table (positions.h); init_value: its sim_position_order */
};

enum {
    SIM_ROW_TRAINED = 1, /* has a gradient */
    SIM_ROW_DECAYED = 2, /* with weight decay */
    SIM_ROW_BUFFER = 4   /* running statistics: saved, never averaged by EMA, no parameter */
};

struct sim_param {
    char name[96];
    int dims, flags;
    int64_t shape[4], count;
    int64_t offset;   /* of its floats in `value` */
    int64_t gradient; /* offset in `gradient`, `moment1`, `moment2`; -1: not trained */
    enum sim_init init;
    double init_value;
    double lr_scale; /* of the learning rate; 1 unless set after the row was added */
    int partner;     /* momentum rows: the online row that EMA follows; -1 */
};

struct sim_counter { /* num_batches_tracked: int64 scalars of the state_dict */
    char name[96];
    int64_t value;
    int after; /* stands behind this row in state_dict order */
};

struct sim_params {
    struct sim_param *row;
    int count, room;
    struct sim_counter *counter;
    int counters, counter_room;
    int64_t value_count, gradient_count;
    const struct sim_ops *ops; /* in whose memory the numbers are */
    float *value;              /* (value_count) */
    float *gradient;           /* (gradient_count), as the moments */
    float *moment1, *moment2;
    /* The same numbers where the host can reach them: the same memory where the backend shares it; else
     * copies, brought up to date by sim_params_fetch and taken over by sim_params_store. */
    struct sim_params_host {
        float *value, *gradient, *moment1, *moment2;
    } host;
    const char *encoder; /* before the encoder's names ("base_encoder."); NULL: nothing */
    int failed;          /* a row could not be added: reported by allocate */
};

void sim_params_start(struct sim_params *p);
/* Adds a row; returns its number.  shape beyond dims is ignored.  partner: see above, or -1. */
int sim_params_add(struct sim_params *p, int flags, enum sim_init init, double init_value, int partner,
                   int dims, const int64_t *shape, const char *name_format, ...)
    __attribute__((format(printf, 8, 9)));
int sim_params_add_counter(struct sim_params *p, const char *name_format, ...)
    __attribute__((format(printf, 2, 3)));
/* Allocates values, and with `training` gradients and moments, in the backend's memory.  Fails when an add
 * failed. */
sim_status sim_params_allocate(struct sim_params *p, const struct sim_ops *ops, int training);
void sim_params_close(struct sim_params *p);

/* Every row from its initialiser; rows with a partner copy it.  Row r draws from (seed, INIT, index r). */
sim_status sim_params_initialise(struct sim_params *p, uint64_t seed);

/* What to bring to the host: any of these together. */
enum { SIM_FETCH_VALUES = 1, SIM_FETCH_GRADIENTS = 2, SIM_FETCH_MOMENTS = 4 };
sim_status sim_params_fetch(const struct sim_params *p, int what);
/* The host's values and moments become the backend's.  To be called after every change to them, whatever the
 * backend. */
sim_status sim_params_store(struct sim_params *p);

/* One more training batch went through every norm: num_batches_tracked. */
void sim_params_count_batch(struct sim_params *p);

int sim_params_find(const struct sim_params *p, const char *name); /* -1 if absent */
/* The encoder's row that timm's ViT calls `name`; -1 if absent. */
int sim_params_find_encoder(const struct sim_params *p, const char *name);
static inline float *sim_value(const struct sim_params *p, int row)
{
    return row < 0 ? NULL : p->value + p->row[row].offset;
}
static inline float *sim_gradient(const struct sim_params *p, int row)
{
    return row < 0 || p->row[row].gradient < 0 ? NULL : p->gradient + p->row[row].gradient;
}

/* The gradients of rows first..last are complete on this rank (sim_ops.gradients_ready); those not trained
 * are passed over. */
void sim_gradients_ready(const struct sim_params *p, int first, int last);

/* Segments for the passes: the trained rows (decay as given to decayed rows, their lr_scale), and the
 * momentum pairs.  The caller frees. */
sim_status sim_params_trained(const struct sim_params *p, double weight_decay, struct sim_segment **out,
                              int *count);
sim_status sim_params_momentum(const struct sim_params *p, struct sim_segment **out, int *count);

/* The whole state_dict in its order as tensors that point into the host's copy, just fetched (names too); the
 * caller frees *out. */
sim_status sim_params_tensors(const struct sim_params *p, struct sim_tensor **out, int *count);
/* Reads every row from a file by name; missing or misshapen tensors are errors naming both sides. */
sim_status sim_params_load(struct sim_params *p, const struct sim_tensors *file);
/* A table of the online encoder's rows alone (those of sim_params_write_encoder), under timm's names, with
 * their values and nothing to train them: what outlives the network.  The caller closes it, after failure
 * too. */
sim_status sim_params_copy_encoder(struct sim_params *out, const struct sim_params *from);
/* Writes the online encoder only (cls_token, pos_embed, patch_embed.*, blocks.*, norm.* where there is one):
 * loads into timm by name. */
sim_status sim_params_write_encoder(const struct sim_params *p, const char *path,
                                    const char *const *metadata);

#endif
