#include "checkpoint.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { POSITION_NUMBERS = 6 };

int64_t sim_position_epochs(const struct sim_position *at)
{
    return at->steps_per_epoch > 0 ? at->step / at->steps_per_epoch : 0;
}

/* ------------------------------------------------------------------ the checksum */

/* Names, kinds, shapes and bytes, one after the other. */
void sim_checkpoint_checksum(const struct sim_tensor *tensors, int count, const char *config_hash,
                             char out[17])
{
    uint64_t h = XXH64(config_hash, strlen(config_hash), (uint64_t)count);
    for (int i = 0; i < count; i++) {
        const struct sim_tensor *t = &tensors[i];
        const int32_t kind[2] = {(int32_t)t->dtype, t->dims};
        h = XXH64(t->name, strlen(t->name), h);
        h = XXH64(kind, sizeof kind, h);
        h = XXH64(t->shape, (size_t)t->dims * sizeof *t->shape, h);
        if (t->count > 0) h = XXH64(t->data, (size_t)t->count * sim_dtype_bytes(t->dtype), h);
    }
    snprintf(out, 17, "%016llx", (unsigned long long)h);
}

static sim_status check_sum(const struct sim_tensors *file, const char *path)
{
    const int count = sim_tensors_count(file);
    const char *hash = sim_tensors_metadata(file, "config_hash"),
               *sum = sim_tensors_metadata(file, "checksum");
    char found[17];
    struct sim_tensor *t = calloc((size_t)count + 1, sizeof *t);
    if (!t) return sim_fail(SIM_ENOMEM, "%s: no memory for its list of tensors", path);
    for (int i = 0; i < count; i++) t[i] = *sim_tensors_at(file, i);
    sim_checkpoint_checksum(t, count, hash ? hash : "", found);
    free(t);
    if (!sum) return sim_fail(SIM_EFORMAT, "%s: no checksum stands in it", path);
    if (strcmp(sum, found) == 0) return SIM_OK;
    return sim_fail(SIM_EFORMAT, "%s: its bytes are not those that were written (checksum %s, %.16s there)",
                    path, found, sum);
}

sim_status sim_checkpoint_open(struct sim_tensors **out, const char *path)
{
    SIM_TRY(sim_tensors_open(out, path));
    sim_status s = check_sum(*out, path);
    if (s == SIM_OK) return SIM_OK;
    sim_tensors_close(*out);
    *out = NULL;
    return s;
}

/* ------------------------------------------------------------------ writing */

/* One moment of every trained row as tensors; names are made in `names`. */
static int moment_tensors(const struct sim_params *p, const float *moment, const char *prefix,
                          struct sim_tensor *out, char (*names)[160])
{
    int n = 0;
    for (int r = 0; r < p->count; r++) {
        const struct sim_param *row = &p->row[r];
        if (row->gradient < 0) continue;
        snprintf(names[n], sizeof *names, "%s.%s", prefix, row->name);
        out[n] = (struct sim_tensor){.name = names[n],
                                     .dtype = SIM_F32,
                                     .dims = row->dims,
                                     .count = row->count,
                                     .data = moment + row->gradient};
        memcpy(out[n].shape, row->shape, sizeof row->shape);
        n++;
    }
    return n;
}

/* Everything a checkpoint holds, pointing into the table; *names and *out are the caller's to free. */
static sim_status all_tensors(const struct sim_params *p, const double *numbers, const double *curve,
                              int64_t epochs, struct sim_tensor **out, int *count, char (**names)[160])
{
    struct sim_tensor *state = NULL;
    int n = 0;
    SIM_TRY(sim_params_fetch(p, SIM_FETCH_MOMENTS));
    SIM_TRY(sim_params_tensors(p, &state, &n));
    *names = calloc((size_t)p->count * 2 + 1, sizeof **names);
    *out = realloc(state, (size_t)(n + 2 * p->count + 2) * sizeof **out);
    if (!*names || !*out) {
        free(*names);
        free(*out ? *out : state);
        return sim_fail(SIM_ENOMEM, "no memory for a checkpoint's list of tensors");
    }
    int m = moment_tensors(p, p->host.moment1, "optimizer.exp_avg", *out + n, *names);
    n += m;
    n += moment_tensors(p, p->host.moment2, "optimizer.exp_avg_sq", *out + n, *names + m);
    (*out)[n++] = (struct sim_tensor){.name = "train.position",
                                      .dtype = SIM_F64,
                                      .dims = 1,
                                      .shape = {POSITION_NUMBERS},
                                      .count = POSITION_NUMBERS,
                                      .data = numbers};
    (*out)[n++] = (struct sim_tensor){.name = "train.curve",
                                      .dtype = SIM_F64,
                                      .dims = 2,
                                      .shape = {epochs, SIM_CURVE_NUMBERS},
                                      .count = epochs * SIM_CURVE_NUMBERS,
                                      .data = curve};
    *count = n;
    return SIM_OK;
}

sim_status sim_checkpoint_save(const char *path, const struct sim_params *params,
                               const struct sim_position *at, const struct sim_epoch_stats *curve,
                               const char *config_hash)
{
    const double numbers[POSITION_NUMBERS] = {(double)at->step, (double)at->steps_per_epoch,
                                              at->loss_sum,     at->grad_norm_sum,
                                              at->last_lr,      at->last_momentum};
    const int64_t epochs = sim_position_epochs(at);
    const char *hash = config_hash ? config_hash : "";
    struct sim_tensor *t;
    char(*names)[160], sum[17];
    int count = 0;
    double(*rows)[SIM_CURVE_NUMBERS] = calloc((size_t)epochs + 1, sizeof *rows);
    if (!rows) return sim_fail(SIM_ENOMEM, "%s: no memory for a curve of %ld epochs", path, (long)epochs);
    for (int64_t i = 0; i < epochs; i++) sim_curve_numbers(&curve[i], rows[i]);
    sim_status s = all_tensors(params, numbers, &rows[0][0], epochs, &t, &count, &names);
    if (s == SIM_OK) {
        sim_checkpoint_checksum(t, count, hash, sum);
        s = sim_tensors_write(
            path, t, count,
            (const char *const[]){"format", "pt", "config_hash", hash, "checksum", sum, NULL});
        free(t);
        free(names);
    }
    free(rows);
    return s;
}

/* ------------------------------------------------------------------ reading */

static sim_status read_position(const struct sim_tensors *file, const char *path, struct sim_position *at)
{
    const struct sim_tensor *t;
    double numbers[POSITION_NUMBERS];
    SIM_TRY(sim_tensors_expect(file, "train.position", SIM_F64, 1, (int64_t[]){POSITION_NUMBERS}, &t));
    memcpy(numbers, t->data, sizeof numbers);
    for (int i = 0; i < 2; i++) /* before they become integers */
        if (!(numbers[i] >= 0 && numbers[i] <= 0x1p53) || numbers[i] != floor(numbers[i]))
            return sim_fail(SIM_EFORMAT, "%s: train.position holds %g where a count of steps belongs", path,
                            numbers[i]);
    *at = (struct sim_position){(int64_t)numbers[0], (int64_t)numbers[1], numbers[2],
                                numbers[3],          numbers[4],          numbers[5]};
    return SIM_OK;
}

sim_status sim_checkpoint_step(const struct sim_tensors *file, const char *path, int64_t *step)
{
    struct sim_position at = {0};
    SIM_TRY(read_position(file, path, &at));
    *step = at.step;
    return SIM_OK;
}

static sim_status read_curve(const struct sim_tensors *file, const char *path, int64_t epochs,
                             struct sim_epoch_stats **curve)
{
    const struct sim_tensor *t;
    SIM_TRY(sim_tensors_expect(file, "train.curve", SIM_F64, 2, (int64_t[]){epochs, SIM_CURVE_NUMBERS}, &t));
    *curve = calloc((size_t)epochs + 1, sizeof **curve);
    if (!*curve) return sim_fail(SIM_ENOMEM, "%s: no memory for a curve of %ld epochs", path, (long)epochs);
    for (int64_t i = 0; i < epochs; i++) {
        double numbers[SIM_CURVE_NUMBERS];
        memcpy(numbers, (const double *)t->data + i * SIM_CURVE_NUMBERS, sizeof numbers);
        if (sim_curve_entry(numbers, i + 1, &(*curve)[i])) continue;
        free(*curve);
        *curve = NULL;
        return sim_fail(SIM_EFORMAT, "%s: entry %ld of train.curve is not that of epoch %ld", path,
                        (long)i + 1, (long)i + 1);
    }
    return SIM_OK;
}

static sim_status read_moments(const struct sim_tensors *file, struct sim_params *params)
{
    const struct sim_tensor *t;
    for (int r = 0; r < params->count; r++) {
        const struct sim_param *row = &params->row[r];
        char name[160];
        if (row->gradient < 0) continue;
        snprintf(name, sizeof name, "optimizer.exp_avg.%s", row->name);
        SIM_TRY(sim_tensors_expect(file, name, SIM_F32, row->dims, row->shape, &t));
        memcpy(params->host.moment1 + row->gradient, t->data, (size_t)row->count * sizeof(float));
        snprintf(name, sizeof name, "optimizer.exp_avg_sq.%s", row->name);
        SIM_TRY(sim_tensors_expect(file, name, SIM_F32, row->dims, row->shape, &t));
        memcpy(params->host.moment2 + row->gradient, t->data, (size_t)row->count * sizeof(float));
    }
    return sim_params_store(params);
}

sim_status sim_checkpoint_take(const struct sim_tensors *file, const char *path, struct sim_params *params,
                               struct sim_position *at, int64_t steps_per_epoch,
                               struct sim_epoch_stats **curve)
{
    *curve = NULL;
    SIM_TRY(read_position(file, path, at));
    if (at->steps_per_epoch != steps_per_epoch)
        return sim_fail(SIM_EINVAL, "%s counts %ld steps an epoch, this data set gives %ld", path,
                        (long)at->steps_per_epoch, (long)steps_per_epoch);
    SIM_TRY(sim_params_load(params, file));
    SIM_TRY(read_moments(file, params));
    return read_curve(file, path, sim_position_epochs(at), curve);
}
