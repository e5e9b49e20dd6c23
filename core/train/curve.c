#include "curve.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "file.h"

enum { MOST_BYTES = 256 << 20 };

/* The members in the order of the file's rows. */
enum { NUMBERS = 11, TOP1 = 10 };

static void numbers_of(const struct sim_epoch_stats *e, double v[NUMBERS])
{
    double all[NUMBERS] = {(double)e->epoch, (double)e->step, e->loss,   e->grad_norm,  e->lr,
                           e->momentum,      e->images_per_s, e->gflops, e->gemm_share, e->seconds,
                           e->top1};
    for (int i = 0; i < NUMBERS; i++) v[i] = all[i];
}

static const char *const names[NUMBERS] = {"epoch",      "step",     "loss",         "grad_norm",
                                           "lr",         "momentum", "images_per_s", "gflops",
                                           "gemm_share", "seconds",  "top1"};

sim_status sim_curve_save(const char *path, const struct sim_epoch_stats *curve, int count)
{
    json_t *list = json_array();
    int good = list != NULL;
    for (int i = 0; good && i < count; i++) {
        double v[NUMBERS];
        numbers_of(&curve[i], v);
        json_t *row = json_object();
        for (int k = 0; k < NUMBERS; k++)
            if (k != TOP1 || !isnan(v[k])) /* left out where it was not taken */
                good = json_object_set_new(row, names[k],
                                           k < 2 ? json_integer((json_int_t)v[k]) : json_real(v[k])) == 0 &&
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

sim_status sim_curve_load(const char *path, int64_t most, struct sim_epoch_stats **curve)
{
    char *text;
    size_t size;
    *curve = NULL;
    SIM_TRY(sim_file_read(path, MOST_BYTES, &text, &size));
    json_error_t error;
    json_t *list = json_loadb(text, size, 0, &error);
    free(text);
    if (!json_is_array(list) || (int64_t)json_array_size(list) < most) {
        json_decref(list);
        return sim_fail(SIM_EFORMAT,
                        "%s: not a list of at least %ld epochs, which the checkpoint has finished", path,
                        (long)most);
    }
    struct sim_epoch_stats *out = calloc((size_t)most + 1, sizeof *out);
    for (int64_t i = 0; out && i < most; i++) {
        double v[NUMBERS];
        json_t *row = json_array_get(list, (size_t)i);
        for (int k = 0; k < NUMBERS; k++) v[k] = json_number_value(json_object_get(row, names[k]));
        if (!json_is_number(json_object_get(row, names[TOP1]))) v[TOP1] = NAN;
        if (v[0] != (double)(i + 1) || v[1] < 1) { /* a record made of it could not be read back */
            json_decref(list);
            free(out);
            return sim_fail(SIM_EFORMAT, "%s: entry %ld is not that of epoch %ld", path, (long)i + 1,
                            (long)i + 1);
        }
        out[i] = (struct sim_epoch_stats){(int64_t)v[0], (int64_t)v[1], v[2], v[3], v[4],   v[5],
                                          v[6],          v[7],          v[8], v[9], v[TOP1]};
    }
    json_decref(list);
    if (!out) return sim_fail(SIM_ENOMEM, "no memory for a curve of %ld epochs", (long)most);
    *curve = out;
    return SIM_OK;
}
