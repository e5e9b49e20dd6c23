/* Kernels on the host: what a block's threads see, where they meet, and what is said of those that are wrong.
 */
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bfloat16.h"
#include "support.h"
#include "trials.h"

static struct sim_device *device;
static sim_stream stream;

static void open_device(void)
{
    test_ok(sim_device_open(&device, 0));
    stream = sim_device_stream(device, SIM_STREAM_COMPUTE);
}

static void close_device(void)
{
    sim_device_close(device);
}

static void *take(size_t bytes)
{
    void *at = sim_device_take(device, bytes);
    ck_assert_msg(at != NULL, "%s", sim_error_text());
    return at;
}

static void all_well(void)
{
    sim_device_wait(device);
    const char *failure = sim_device_failure(device, 1);
    ck_assert_msg(!failure, "%s", failure);
}

static void says(const char *words)
{
    sim_device_wait(device);
    const char *failure = sim_device_failure(device, 1);
    ck_assert_msg(failure != NULL, "nothing failed; wanted: %s", words);
    ck_assert_msg(strstr(failure, words) != NULL, "\"%s\" lacks \"%s\"", failure, words);
}

START_TEST(three_dimensions)
{
    const unsigned grid[3] = {5, 3, 2}, block[3] = {7, 2, 3};
    int64_t *out = take(30 * 42 * sizeof *out);
    trial_indices(stream, out, grid, block);
    all_well();
    for (int64_t b = 0; b < 30; b++)
        for (int64_t t = 0; t < 42; t++)
            ck_assert_int_eq(out[b * 42 + t], b % 5 | b / 5 % 3 << 8 | b / 15 << 16 | t % 7 << 24 |
                                                  t / 7 % 2 << 34 | t / 14 << 44);
}
END_TEST

START_TEST(sums_of_blocks)
{
    for (int threads = 32; threads <= 1024; threads += threads < 128 ? 32 : 224) {
        enum { BLOCKS = 37 };
        float *in = take((size_t)BLOCKS * threads * sizeof *in), *out = take(BLOCKS * sizeof *out);
        for (int i = 0; i < BLOCKS * threads; i++) in[i] = (float)(i % 101);
        trial_block_sums(stream, out, in, BLOCKS, threads);
        all_well();
        for (int b = 0; b < BLOCKS; b++) {
            double want = 0;
            for (int t = 0; t < threads; t++) want += in[b * threads + t];
            ck_assert_double_eq(out[b], want);
        }
    }
}
END_TEST

START_TEST(barriers_of_1024_threads)
{
    enum { BLOCKS = 17, THREADS = 1024 };
    int32_t *values = take(BLOCKS * THREADS * sizeof *values);
    for (int i = 0; i < BLOCKS * THREADS; i++) values[i] = i;
    trial_reverse(stream, values, BLOCKS, THREADS, 7);
    all_well();
    for (int i = 0; i < BLOCKS * THREADS; i++)
        ck_assert_int_eq(values[i], i / THREADS * THREADS + THREADS - 1 - i % THREADS);
    trial_reverse(stream, values, 1, 1, 3);
    trial_reverse(stream, values + 1, 2, 33, 2);
    all_well();
}
END_TEST

START_TEST(shuffles_and_ballots)
{
    double *out = take(5 * 32 * sizeof *out);
    trial_shuffles(stream, out);
    all_well();
    for (int lane = 0; lane < 32; lane++) {
        ck_assert_double_eq(out[lane], lane ^ 5);
        ck_assert_double_eq(out[32 + lane], lane % 8 + 3 < 8 ? lane + 3 : lane);
        ck_assert_double_eq(out[64 + lane], (double)((int64_t)(lane < 2 ? lane : lane - 2) << 33));
        ck_assert_double_eq(out[96 + lane], 7.125);
        ck_assert_double_eq(out[128 + lane], (double)0xaaaaaaaau);
    }
    int32_t *halves = take(32 * sizeof *halves);
    trial_halves(stream, halves);
    all_well();
    for (int lane = 0; lane < 32; lane++)
        ck_assert_int_eq(halves[lane], lane < 16 ? 3 : (lane ^ 1) + (1 << 20));
}
END_TEST

START_TEST(unwritten_shared_memory_is_nan)
{
    enum { BLOCKS = 64 };
    float *out = take(3 * BLOCKS * sizeof *out);
    trial_unwritten(stream, out, BLOCKS);
    all_well();
    for (int i = 0; i < 3 * BLOCKS; i++) ck_assert_msg(isnan(out[i]), "%d: %g", i, (double)out[i]);
}
END_TEST

/* A missing barrier shows: in rising order thread 0 finds nothing of its neighbour's, in falling order all
 * but one do. */
START_TEST(missing_barriers_show)
{
    enum { THREADS = 100 };
    int32_t *out = take(THREADS * sizeof *out);
    for (int falling = 0; falling < 2; falling++) {
        if (falling) setenv("SIM_SHIM_ORDER", "falling", 1);
        trial_neighbours(stream, out, THREADS, 1);
        all_well();
        for (int i = 0; i < THREADS; i++) ck_assert_int_eq(out[i], (i + THREADS - 1) % THREADS);
        trial_neighbours(stream, out, THREADS, 0);
        all_well();
        int wrong = 0;
        for (int i = 0; i < THREADS; i++) wrong += out[i] != (i + THREADS - 1) % THREADS;
        ck_assert_int_eq(wrong, falling ? THREADS - 1 : 1);
    }
    unsetenv("SIM_SHIM_ORDER");
}
END_TEST

START_TEST(faults_are_said)
{
    static const char *const words[TRIAL_FAULTS] = {
        [TRIAL_EXIT] = "20 of 40 have ended",
        [TRIAL_TWO_BARRIERS] = "is at the __syncthreads of",
        [TRIAL_WARP_BARRIER] = "wait for each other for ever: 3 (thread 0 the first) at __syncwarp of",
        [TRIAL_FOREIGN_LANE] = "from lane 20, which is not in the mask",
        [TRIAL_MISSING_LANE] = "which this block does not have",
        [TRIAL_OWN_LANE] = "leaves out its own lane 0",
        [TRIAL_SHARED_ARRAYS] = "shared array larger of 8000 bytes",
    };
    int32_t *values = take(1000 * sizeof *values);
    for (int how = 0; how < TRIAL_FAULTS; how++) {
        trial_fault(stream, how, 12);
        trial_increment(stream, values, 1000); /* must not run: after a failure nothing does */
        sim_device_wait(device);
        const char *failure = sim_device_failure(device, 0);
        ck_assert_ptr_nonnull(failure);
        ck_assert_msg(strstr(failure, "kernel k_fault, block (0, 0, 0): ") == failure, "%s", failure);
        says(words[how]);
        ck_assert_int_eq(values[999], how);
        trial_increment(stream, values, 1000); /* and the stacks are good for use again */
        trial_reverse(stream, values, 3, 40, 2);
        all_well();
        ck_assert_int_eq(values[999], how + 1);
    }
}
END_TEST

START_TEST(launches_that_cannot_be)
{
    static const char *const words[] = {"is empty", "1025 x 1 x 1 threads", "1 x 1 x 65 threads",
                                        "200000 bytes of dynamic shared memory"};
    for (int how = 0; how < 4; how++) {
        trial_bad_launch(stream, how);
        says(words[how]);
    }
}
END_TEST

START_TEST(bfloat16_rounds_to_even)
{
    /* Every bfloat16, and around each: just below, at and just above halfway to the next. */
    enum { NEAR = 5, COUNT = 65536 * NEAR };
    float *in = take(COUNT * sizeof *in), *wide = take(COUNT * sizeof *wide);
    uint16_t *bits = take(COUNT * sizeof *bits);
    static const uint32_t beside[NEAR] = {0, 1, 0x7fff, 0x8000, 0x8001};
    for (uint32_t i = 0; i < COUNT; i++) {
        uint32_t word = i / NEAR << 16 | beside[i % NEAR];
        memcpy(&in[i], &word, sizeof word);
    }
    trial_bfloat16(stream, bits, wide, in, COUNT);
    all_well();
    for (uint32_t i = 0; i < COUNT; i++) {
        uint32_t upper = i / NEAR, lower = beside[i % NEAR];
        if (isnan(in[i])) {
            ck_assert_uint_eq(bits[i], 0x7fff);
            ck_assert(isnan(wide[i]));
            continue;
        }
        uint32_t want = lower > 0x8000 || (lower == 0x8000 && upper & 1) ? upper + 1 : upper;
        ck_assert_uint_eq(bits[i], want);
        ck_assert(wide[i] == sim_bf16_widen((uint16_t)want));
        if (lower == 0) ck_assert(wide[i] == in[i]);
    }
}
END_TEST

START_TEST(threads_of_the_host_change_nothing)
{
    enum { BLOCKS = 300, THREADS = 96 };
    float *in = take(BLOCKS * THREADS * sizeof *in), *out = take(BLOCKS * sizeof *out), first[BLOCKS];
    for (int i = 0; i < BLOCKS * THREADS; i++) in[i] = sinf((float)i);
    for (int threads = 1; threads <= 4; threads++) {
        omp_set_num_threads(threads);
        trial_block_sums(stream, out, in, BLOCKS, THREADS);
        all_well();
        if (threads == 1) memcpy(first, out, sizeof first);
        ck_assert_mem_eq(first, out, sizeof first);
    }
}
END_TEST

/* AddressSanitizer sees a kernel's reads past shared arrays and past device memory. */
START_TEST(overruns_are_seen)
{
#ifdef __SANITIZE_ADDRESS__
    float *values = take(24 * sizeof *values);
    for (int where = 0; where < 2; where++) {
        int status;
        pid_t child = fork();
        if (child == 0) {
            if (!freopen("/dev/null", "w", stderr)) _exit(1);
            omp_set_num_threads(1);
            trial_overrun(stream, values, 24, where);
            sim_device_wait(device);
            _exit(0);
        }
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_msg(!WIFEXITED(status) || WEXITSTATUS(status) != 0, "overrun %d was not seen", where);
    }
#else
    trial_increment(stream, take(4), 1);
    all_well();
#endif
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cuda/shim");
    TCase *c = tcase_create("kernels on the host");
    tcase_add_checked_fixture(c, open_device, close_device);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, three_dimensions);
    tcase_add_test(c, sums_of_blocks);
    tcase_add_test(c, barriers_of_1024_threads);
    tcase_add_test(c, shuffles_and_ballots);
    tcase_add_test(c, unwritten_shared_memory_is_nan);
    tcase_add_test(c, missing_barriers_show);
    tcase_add_test(c, faults_are_said);
    tcase_add_test(c, launches_that_cannot_be);
    tcase_add_test(c, bfloat16_rounds_to_even);
    tcase_add_test(c, threads_of_the_host_change_nothing);
    tcase_add_test(c, overruns_are_seen);
    suite_add_tcase(suite, c);
    return test_run(suite);
}
