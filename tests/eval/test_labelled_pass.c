/* A pass over a labelled set shows every image once, whatever the batch. */
#include <stdlib.h>
#include <string.h>

#include "labelled_pass.h"
#include "made_labelled.h"
#include "support.h"

enum { SIDE = 4, IMAGES = 53 };

struct met {
    int times[IMAGES];
    int64_t most; /* images of the largest batch */
};

static sim_status note(void *context, const float *x, const int32_t *label, const int64_t *index,
                       int64_t count)
{
    struct met *m = context;
    (void)x, (void)label;
    for (int64_t i = 0; i < count; i++) m->times[index[i]]++;
    if (count > m->most) m->most = count;
    return SIM_OK;
}

START_TEST(every_image_once_whatever_the_batch)
{
    struct made made = {.side = SIDE, .classes = 3, .images = IMAGES, .noise = 1, .damaged_every = 20};
    const struct sim_labelled set = made_labelled(&made);
    for (int64_t batch = 1; batch <= IMAGES + 2; batch++) {
        struct met met = {{0}, 0};
        const struct sim_labelled_pass pass = {.source = &set,
                                               .side = SIDE,
                                               .batch_size = batch,
                                               .label = "pass",
                                               .take = note,
                                               .context = &met};
        test_ok(sim_labelled_pass(&pass));
        ck_assert_int_eq(met.most, batch < IMAGES ? batch : IMAGES);
        for (int i = 0; i < IMAGES; i++) ck_assert_int_eq(met.times[i], 1);
    }
}
END_TEST

START_TEST(a_list_is_shown_as_it_is)
{
    struct made made = {.side = SIDE, .classes = 3, .images = IMAGES, .noise = 1};
    const struct sim_labelled set = made_labelled(&made);
    const int64_t index[] = {7, 52, 7, 0, 31};
    struct met met = {{0}, 0};
    const struct sim_labelled_pass pass = {.source = &set,
                                           .side = SIDE,
                                           .index = index,
                                           .count = 5,
                                           .batch_size = 2,
                                           .label = "pass",
                                           .take = note,
                                           .context = &met};
    test_ok(sim_labelled_pass(&pass));
    for (int i = 0; i < IMAGES; i++)
        ck_assert_int_eq(met.times[i], i == 7 ? 2 : i == 52 || i == 0 || i == 31);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("labelled_pass");
    TCase *c = tcase_create("coverage");
    tcase_add_test(c, every_image_once_whatever_the_batch);
    tcase_add_test(c, a_list_is_shown_as_it_is);
    suite_add_tcase(suite, c);
    return test_run(suite);
}
