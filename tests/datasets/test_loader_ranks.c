/* Ranks that load one batch together: their rows are the rows that one would load, and over an epoch each
 * image is used once at most; what a whole number of batches leaves over waits for the next epoch.  In one
 * process, and as processes under mpirun. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loader.h"
#include "made_set.h"
#include "ranks.h"
#include "support.h"

enum { IMAGES = 1000, VIEW = 3 * 16 * 16 };

static void open_rank(struct bench *b, struct sim_source *s, int64_t images, int64_t batch, int rank,
                      int ranks)
{
    bench_open(b, images, batch, 1);
    b->loader.rank = rank, b->loader.ranks = ranks;
    test_ok(sim_loader_open(s, &b->loader));
}

/* Everything in the batches: indices, both views, masks, geometry. */
START_TEST(shares_in_order_are_the_batch_of_one)
{
    static const int sizes[] = {2, 3, 7, 8};
    const int ranks = sizes[_i];
    enum { BATCH = 168, EPOCHS = 2, STEPS = 2 };
    struct bench whole_bench, b[8];
    struct sim_source whole, s[8];
    open_rank(&whole_bench, &whole, 400, BATCH, 0, 0);
    for (int r = 0; r < ranks; r++) open_rank(&b[r], &s[r], 400, BATCH, r, ranks);
    ck_assert_int_eq(whole.steps_per_epoch, STEPS);
    for (int e = 0; e < EPOCHS; e++)
        for (int step = 0; step < STEPS; step++) {
            const struct sim_batch *x, *y;
            test_ok(whole.next(whole.self, e, step, &x));
            for (int r = 0; r < ranks; r++) {
                test_ok(s[r].next(s[r].self, e, step, &y));
                const int64_t n = BATCH / ranks, first = r * n;
                ck_assert_int_eq(y->size, n);
                ck_assert_mem_eq(y->index, x->index + first, (size_t)n * sizeof *y->index);
                ck_assert_mem_eq(y->view1, x->view1 + first * VIEW, (size_t)n * VIEW * sizeof(float));
                ck_assert_mem_eq(y->view2, x->view2 + first * VIEW, (size_t)n * VIEW * sizeof(float));
                ck_assert_mem_eq(y->mask, x->mask + first * 16, (size_t)n * 16);
                ck_assert_mem_eq(y->geometry, x->geometry + first * 6, (size_t)n * 6 * sizeof(float));
            }
        }
    for (int r = 0; r < ranks; r++) s[r].close(s[r].self);
    whole.close(whole.self);
}
END_TEST

/* ------------------------------------------------------------------ processes */

/* Before the number of ranks and of images in a batch: this program is one of several, and runs
 * as_one_of_several. */
static const char as_rank[] = "--as-rank";
static int wanted_ranks;
static int64_t wanted_batch;

/* Adds this rank's images of an epoch to used (IMAGES). */
static void use_epoch(struct sim_source *s, int64_t epoch, double *used)
{
    const struct sim_batch *batch;
    for (int64_t step = 0; step < s->steps_per_epoch; step++) {
        test_ok(s->next(s->self, epoch, step, &batch));
        for (int64_t r = 0; r < batch->size; r++) used[batch->index[r]]++;
    }
}

START_TEST(as_one_of_several)
{
    enum { EPOCHS = 3 };
    struct sim_ranks *ranks;
    struct bench b;
    struct sim_source s;
    int left_out[IMAGES] = {0};
    test_ok(sim_ranks_open(&ranks));
    ck_assert_int_eq(sim_ranks_size(ranks), wanted_ranks);
    open_rank(&b, &s, IMAGES, wanted_batch, ranks->rank, ranks->size);
    for (int64_t e = 0; e < EPOCHS; e++) {
        double used[IMAGES] = {0};
        int once = 0;
        use_epoch(&s, e, used);
        test_ok(sim_ranks_sum(ranks, used, IMAGES));
        for (int i = 0; i < IMAGES; i++) {
            ck_assert_msg(used[i] == 0 || used[i] == 1, "image %d was used %g times", i, used[i]);
            once += used[i] == 1;
            left_out[i] += used[i] == 0;
        }
        ck_assert_int_eq(once, IMAGES / wanted_batch * wanted_batch);
    }
    /* what is left over is never the same again and again */
    for (int i = 0; i < IMAGES; i++) ck_assert_int_lt(left_out[i], EPOCHS);
    s.close(s.self);
    if (sim_ranks_first(ranks)) printf("%d ranks over %s\n", ranks->size, ranks->transport);
    sim_ranks_close(ranks, NULL);
}
END_TEST

/* 1,000 images on three ranks: batches of 3 and of 333 leave one image over, those of 48 forty.  (Open MPI
 * leaves memory of its own behind.) */
START_TEST(every_image_once_an_epoch_under_mpirun)
{
    static const int batches[] = {3, 48, 333};
    char self[1000], command[1400], said[4000] = "";
    const ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    ck_assert(n > 0);
    self[n] = 0;
    snprintf(command, sizeof command, "ldd %s | grep -q libmpi && command -v mpirun > /dev/null", self);
    if (system(command) != 0) {
        test_skip("no mpirun, or a build without MPI");
        return;
    }
    snprintf(command, sizeof command,
             "env -u CK_RUN_CASE CK_FORK=no ASAN_OPTIONS=detect_leaks=0 mpirun --allow-run-as-root "
             "--oversubscribe -np 3 %s %s 3 %d 2>&1",
             self, as_rank, batches[_i]);
    FILE *f = popen(command, "r");
    ck_assert_ptr_nonnull(f);
    said[fread(said, 1, sizeof said - 1, f)] = 0;
    const int ended = pclose(f);
    ck_assert_msg(ended == 0 && strstr(said, "3 ranks over mpi"), "ended with %d: %s", ended, said);
}
END_TEST

int main(int argc, char **argv)
{
    Suite *suite = suite_create("loader_ranks");
    TCase *c = tcase_create("shares");
    tcase_set_timeout(c, 120);
    suite_add_tcase(suite, c);
    if (argc == 4 && strcmp(argv[1], as_rank) == 0) {
        wanted_ranks = atoi(argv[2]), wanted_batch = atoll(argv[3]);
        tcase_add_test(c, as_one_of_several);
        return test_run(suite);
    }
    tcase_add_loop_test(c, shares_in_order_are_the_batch_of_one, 0, 4);
    tcase_add_loop_test(c, every_image_once_an_epoch_under_mpirun, 0, 3);
    return test_run(suite);
}
