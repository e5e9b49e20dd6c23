#include "made_labelled.h"

#include <stdio.h>
#include <string.h>

#include "rng.h"
#include "support.h"

static int32_t label_of(void *self, int64_t i)
{
    const struct made *m = self;
    return (int32_t)(i % m->classes);
}

void made_image(const struct made *m, const struct sim_look *look, int64_t i, float *x)
{
    const int pixels = m->side * m->side;
    struct sim_rng r =
        sim_rng_make(look->seed, SIM_PURPOSE_TEST, (uint32_t)(look->augment ? look->epoch + 1 : 0),
                     (uint64_t)i, (uint32_t)look->augment);
    for (int c = 0; c < 3; c++)
        for (int k = 0; k < pixels; k++)
            x[c * pixels + k] = m->noise * (float)sim_rng_normal(&r) + 2 * (c == i % m->classes);
}

static sim_status start(void *self, const struct sim_look *look, const int64_t *index, int64_t count,
                        float *x, int32_t *label)
{
    struct made *m = self;
    const int64_t image = 3 * (int64_t)m->side * m->side;
    ck_assert_msg(!m->under_way, "two reads at once");
    m->under_way = 1, m->look = *look, m->status = SIM_OK;
    for (int64_t k = 0; k < count; k++) {
        ck_assert(index[k] >= 0 && index[k] < m->images);
        if (m->damaged_every && index[k] % m->damaged_every == 0) {
            memset(x + k * image, 0, (size_t)image * sizeof *x);
            label[k] = -1;
            continue;
        }
        made_image(m, look, index[k], x + k * image);
        label[k] = label_of(m, index[k]);
    }
    if (++m->reads == m->fails_at) m->status = SIM_EIO;
    if (m->stop && m->reads == m->stop_at) *m->stop = 1;
    return SIM_OK;
}

static sim_status finish(void *self)
{
    struct made *m = self;
    ck_assert_msg(m->under_way, "nothing was started");
    m->under_way = 0;
    return m->status == SIM_OK ? SIM_OK : sim_fail(m->status, "the disk is gone");
}

static void name_of(void *self, int64_t i, char *name, int size)
{
    (void)self;
    snprintf(name, (size_t)size, "image %d", (int)i);
}

struct sim_labelled made_labelled(struct made *m)
{
    return (struct sim_labelled){.self = m,
                                 .images = m->images,
                                 .classes = m->classes,
                                 .label = label_of,
                                 .name = name_of,
                                 .start = start,
                                 .finish = finish};
}
