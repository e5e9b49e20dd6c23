#include "curve.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"

enum { MOST_BYTES = 256 << 20 };

/* What repeats, then what time it took. */
enum { TIMINGS = 4, NUMBERS = SIM_CURVE_NUMBERS + TIMINGS, EPOCH = 0, STEP = 1, TOP1 = 6 };
static const char *const names[NUMBERS] = {"epoch",  "step",       "loss",   "grad_norm",
                                           "lr",     "momentum",   "top1",   "images_per_s",
                                           "gflops", "gemm_share", "seconds"};

void sim_curve_numbers(const struct sim_epoch_stats *e, double out[SIM_CURVE_NUMBERS])
{
    const double all[SIM_CURVE_NUMBERS] = {(double)e->epoch, (double)e->step, e->loss, e->grad_norm, e->lr,
                                           e->momentum,      e->top1};
    memcpy(out, all, sizeof all);
    if (isnan(out[TOP1])) out[TOP1] = NAN; /* of the many, one */
}

int sim_curve_entry(const double v[SIM_CURVE_NUMBERS], int64_t epoch, struct sim_epoch_stats *out)
{
    if (v[EPOCH] != (double)epoch || !(v[STEP] >= 1 && v[STEP] <= 0x1p53)) return 0;
    *out = (struct sim_epoch_stats){.epoch = epoch,
                                    .step = (int64_t)v[STEP],
                                    .loss = v[2],
                                    .grad_norm = v[3],
                                    .lr = v[4],
                                    .momentum = v[5],
                                    .images_per_s = NAN,
                                    .gflops = NAN,
                                    .gemm_share = NAN,
                                    .seconds = NAN,
                                    .top1 = v[TOP1]};
    return 1;
}

sim_status sim_curve_save(const char *path, const struct sim_epoch_stats *curve, int count)
{
    json_t *list = json_array();
    int good = list != NULL;
    for (int i = 0; good && i < count; i++) {
        const struct sim_epoch_stats *e = &curve[i];
        double v[NUMBERS] = {[SIM_CURVE_NUMBERS] = e->images_per_s, e->gflops, e->gemm_share, e->seconds};
        sim_curve_numbers(e, v);
        json_t *row = json_object();
        for (int k = 0; k < NUMBERS; k++)
            if (isfinite(v[k])) /* left out where it was not taken */
                good =
                    json_object_set_new(row, names[k],
                                        k <= STEP ? json_integer((json_int_t)v[k]) : json_real(v[k])) == 0 &&
                    good;
        good = json_array_append_new(list, row) == 0 && good;
    }
    char *text = good ? json_dumps(list, JSON_INDENT(1)) : NULL;
    json_decref(list);
    if (!text) return sim_fail(SIM_ENOMEM, "%s: cannot write the curve as JSON", path);
    size_t size = 0;
    while (text[size]) size++;
    sim_status s = sim_file_write(path, text, size);
    free(text);
    return s;
}

/* NaN where the row has none. */
static double number_at(const json_t *row, int k)
{
    const json_t *v = json_object_get(row, names[k]);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

sim_status sim_curve_load_timings(const char *path, struct sim_epoch_stats *curve, int64_t count)
{
    char *text;
    size_t size;
    SIM_TRY(sim_file_read(path, MOST_BYTES, &text, &size));
    json_error_t error;
    json_t *list = json_loadb(text, size, 0, &error);
    free(text);
    sim_status s = json_is_array(list) ? SIM_OK : sim_fail(SIM_EFORMAT, "%s: not a list of epochs", path);
    for (int64_t i = 0; s == SIM_OK && i < count; i++) {
        const json_t *row = json_array_get(list, (size_t)i);
        struct sim_epoch_stats *e = &curve[i];
        if (number_at(row, EPOCH) != (double)e->epoch || number_at(row, STEP) != (double)e->step) {
            s = sim_fail(SIM_EFORMAT, "%s: no entry %ld of epoch %ld", path, (long)i + 1, (long)e->epoch);
            continue;
        }
        e->images_per_s = number_at(row, 7), e->gflops = number_at(row, 8);
        e->gemm_share = number_at(row, 9), e->seconds = number_at(row, 10);
    }
    json_decref(list);
    return s;
}
