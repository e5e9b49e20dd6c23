/* The loaders' threads: every task of a job once, also beside one that is cancelled. */
#include <stdatomic.h>

#include "pool.h"
#include "support.h"

struct tally {
    _Atomic int64_t sum, tasks;
};

static void add(void *context, int64_t i, int worker)
{
    ck_assert(worker >= 0 && worker < 3);
    struct tally *t = context;
    t->sum += i;
    t->tasks++;
}

START_TEST(the_pool_runs_every_task_once)
{
    struct sim_pool *p;
    test_ok(sim_pool_open(&p, 3));
    for (int round = 0; round < 50; round++) {
        struct tally t[4] = {0};
        struct sim_job job[4];
        for (int k = 0; k < 4; k++) {
            job[k] = (struct sim_job){.task = add, .context = &t[k], .count = k * 40};
            sim_pool_submit(p, &job[k]);
        }
        sim_pool_cancel(p, &job[2]);
        for (int k = 3; k >= 0; k--) sim_pool_wait(p, &job[k]);
        for (int k = 0; k < 4; k++) {
            if (k == 2) continue;
            ck_assert_int_eq(t[k].tasks, k * 40);
            ck_assert_int_eq(t[k].sum, (int64_t)k * 40 * (k * 40 - 1) / 2);
        }
        ck_assert_int_le(t[2].tasks, 80);
    }
    sim_pool_close(p);
    sim_pool_close(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pool");
    TCase *c = tcase_create("tasks");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, the_pool_runs_every_task_once);
    suite_add_tcase(suite, c);
    return test_run(suite);
}
