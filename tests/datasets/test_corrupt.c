/* Corruptions beside an independent implementation (corruptions.txt, by reference/corruptions.py): the
 * deterministic ones equal it to within a level, the others in their moments; and what holds for all. */
#include "corrupt.h"
#include "images.h"
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES = 96 };

/* The picture that the script draws. */
static void picture(struct sim_image *im, int side)
{
    test_ok(sim_image_open(im, side, side));
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++) {
            const int ramps[3] = {x * 255 / (side - 1), y * 255 / (side - 1), (x + y) * 255 / (2 * side - 2)};
            const int chequer = (x * 8 / side + y * 8 / side) % 2, dx = 4 * x - 2 * side,
                      dy = 4 * y - 2 * side;
            const int disk = dx * dx + dy * dy < side * side;
            for (int k = 0; k < 3; k++)
                im->rgb[(y * side + x) * 3 + k] = (uint8_t)(disk      ? 40 + 60 * k
                                                            : chequer ? 255 - ramps[k] / 2
                                                                      : ramps[k] / 3 + 20);
        }
}

static struct sim_corrupt_job job_of(const char *name, const char *constants, int severity)
{
    struct sim_corrupt_job job = {.severity = severity, .seed = 5};
    test_ok(sim_corruption_find(name, (int)strlen(name), "test", &job.corruption));
    while (strcmp(sim_constants_name(job.constants), constants)) job.constants++;
    return job;
}

static FILE *open_table(void)
{
    FILE *f = fopen(test_path("datasets/corruptions.txt"), "r");
    ck_assert_ptr_nonnull(f);
    return f;
}

static int hex(const char *text)
{
    char two[3] = {text[0], text[1], 0};
    return (int)strtol(two, NULL, 16);
}

START_TEST(deterministic_corruptions_equal_the_libraries)
{
    FILE *f = open_table();
    char line[4096], name[32], set[8], pixels[6 * SAMPLES + 1];
    int severity, cases = 0, off[2] = {0};
    while (fgets(line, sizeof line, f)) {
        struct sim_image im;
        if (sscanf(line, "pixels %31s %7s %d %576s", name, set, &severity, pixels) != 4) continue;
        const int side = atoi(set);
        struct sim_corrupt_job job = job_of(name, set, severity);
        picture(&im, side);
        test_ok(sim_corrupt(&job, &im));
        for (uint64_t i = 0; i < SAMPLES; i++)
            for (uint64_t k = 0; k < 3; k++) {
                uint64_t place = i * 2654435761u % (1ull << 32) % (uint64_t)(side * side);
                int got = im.rgb[3 * place + k], want = hex(pixels + 6 * i + 2 * k);
                ck_assert_msg(abs(got - want) <= 1, "%s %s %d: pixel %d channel %d is %d, not %d", name, set,
                              severity, (int)place, (int)k, got, want);
                off[got != want]++;
            }
        sim_image_close(&im);
        cases++;
    }
    fclose(f);
    ck_assert_int_eq(cases, 6 * 15);
    ck_assert_msg(off[1] * 50 < off[0], "%d of %d values are a level off", off[1], off[0] + off[1]);
}
END_TEST

enum { MOMENTS = 3 };

/* Sums over draws, and of squares: the mean value, the variance within an image, the mean square of the
 * change. */
struct moments {
    double sum[MOMENTS], square[MOMENTS];
};

static void add_moments(struct moments *m, const struct sim_image *y, const struct sim_image *x)
{
    const int n = 3 * x->width * x->height;
    double v[MOMENTS] = {0}, square = 0;
    for (int i = 0; i < n; i++) {
        const double level = y->rgb[i], change = level - x->rgb[i];
        v[0] += level / n, square += level * level / n, v[2] += change * change / n;
    }
    v[1] = square - v[0] * v[0];
    for (int k = 0; k < MOMENTS; k++) m->sum[k] += v[k], m->square[k] += v[k] * v[k];
}

static struct moments draw_many(struct sim_corrupt_job *job, int side, int draws)
{
    struct moments m = {.sum = {0}};
    struct sim_image x, y;
    picture(&x, side);
    test_ok(sim_image_open(&y, side, side));
    for (job->index = 0; job->index < (uint64_t)draws; job->index++) {
        memcpy(y.rgb, x.rgb, 3 * (size_t)(side * side));
        test_ok(sim_corrupt(job, &y));
        add_moments(&m, &y, &x);
    }
    sim_image_close(&x);
    sim_image_close(&y);
    return m;
}

/* Within 2 %, and what chance adds to either side's mean: two standard errors. */
START_TEST(random_corruptions_equal_the_libraries_in_their_moments)
{
    FILE *f = open_table();
    char line[4096], name[32], set[8];
    int severity, draws, cases = 0;
    double want[MOMENTS], error[MOMENTS];
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "moments %31s %7s %d %d %lf %lf %lf %lf %lf %lf", name, set, &severity, &draws,
                   &want[0], &error[0], &want[1], &error[1], &want[2], &error[2]) != 10)
            continue;
        struct sim_corrupt_job job = job_of(name, set, severity);
        draws = draws < 300 ? draws : 300; /* what that leaves to chance is reckoned with below */
        const struct moments m = draw_many(&job, strcmp(set, "32") ? 64 : 32, draws);
        for (int k = 0; k < MOMENTS; k++) {
            const double got = m.sum[k] / draws, own = sqrt((m.square[k] / draws - got * got) / draws);
            ck_assert_msg(fabs(got - want[k]) <= 0.02 * want[k] + 2 * hypot(error[k], own),
                          "%s %s %d: moment %d is %g +- %g, not %g +- %g", name, set, severity, k, got, own,
                          want[k], error[k]);
        }
        cases++;
    }
    fclose(f);
    ck_assert_int_eq(cases, 8 * 15);
}
END_TEST

/* Frost has no photographs to be held against: its statistics are theirs as far as procedural_frost.h says.
 */
START_TEST(frost_is_like_the_photographs)
{
    struct sim_corrupt_job job = job_of("frost", "224", 1);
    double low = 1, high = 0, spread = 0, blue = 0;
    const int draws = 40;
    for (job.index = 0; job.index < draws; job.index++) {
        struct sim_image im;
        double mean = 0, square = 0, channel[3] = {0};
        test_ok(sim_image_open(&im, 224, 224)); /* black: what shows is 0.4 of the frost */
        test_ok(sim_corrupt(&job, &im));
        for (int i = 0; i < 224 * 224 * 3; i++) {
            double v = (im.rgb[i] + 0.5) / 255 / 0.4;
            mean += v / (224 * 224 * 3), square += v * v / (224 * 224 * 3), channel[i % 3] += v / (224 * 224);
        }
        low = fmin(low, mean), high = fmax(high, mean);
        spread += sqrt(square - mean * mean) / draws, blue += (channel[2] - channel[0]) / draws;
        sim_image_close(&im);
    }
    ck_assert_msg(low > 0.4 && low < 0.55 && high > 0.7 && high < 0.85, "means %g to %g", low, high);
    ck_assert_msg(spread > 0.08 && spread < 0.2, "deviation %g", spread);
    ck_assert_msg(blue > 0.1 && blue < 0.3, "blue over red %g", blue);
}
END_TEST

START_TEST(what_is_drawn_follows_from_seed_and_number)
{
    for (int c = 0; c < SIM_CORRUPTIONS; c++) {
        struct sim_corrupt_job job = {
            .corruption = (enum sim_corruption)c, .severity = 3, .constants = SIM_CONSTANTS_64};
        struct sim_image a, b, other;
        const size_t bytes = 64 * 64 * 3;
        picture(&a, 64), picture(&b, 64), picture(&other, 64);
        test_ok(sim_corrupt(&job, &a));
        test_ok(sim_corrupt(&job, &b));
        job.index = 1;
        test_ok(sim_corrupt(&job, &other));
        ck_assert_msg(memcmp(a.rgb, b.rgb, bytes) == 0, "%s differs from itself",
                      sim_corruption_name(job.corruption));
        const int random = c != SIM_DEFOCUS_BLUR && c != SIM_ZOOM_BLUR && c != SIM_BRIGHTNESS &&
                           c != SIM_CONTRAST && c != SIM_PIXELATE && c != SIM_JPEG_COMPRESSION;
        ck_assert_msg((memcmp(a.rgb, other.rgb, bytes) != 0) == random, "%s",
                      sim_corruption_name(job.corruption));
        sim_image_close(&a), sim_image_close(&b), sim_image_close(&other);
    }
}
END_TEST

START_TEST(any_size_will_do)
{
    static const int sizes[][2] = {{1, 1}, {1, 9}, {7, 2}, {33, 20}, {17, 64}};
    for (unsigned s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int c = 0; c < SIM_CORRUPTIONS; c++)
            for (int set = 0; set < SIM_CONSTANTS_COUNT; set++) {
                struct sim_corrupt_job job = {.corruption = (enum sim_corruption)c,
                                              .severity = 5,
                                              .constants = (enum sim_constants)set};
                struct sim_image im;
                test_ok(sim_image_open(&im, sizes[s][0], sizes[s][1]));
                memset(im.rgb, 100, (size_t)(im.width * im.height * 3));
                test_ok(sim_corrupt(&job, &im));
                ck_assert_int_eq(im.width, sizes[s][0]);
                ck_assert_int_eq(im.height, sizes[s][1]);
                sim_image_close(&im);
            }
}
END_TEST

START_TEST(what_cannot_be_is_refused)
{
    struct sim_image im;
    enum sim_corruption c;
    struct sim_corrupt_job job = {.corruption = SIM_FOG};
    test_ok(sim_image_open(&im, 8, 8));
    test_fails(sim_corrupt(&job, &im), "fog: severity 0; severities are 1 to 5");
    job.severity = 6;
    test_fails(sim_corrupt(&job, &im), "severity 6");
    job.severity = 1, job.corruption = SIM_CORRUPTIONS;
    test_fails(sim_corrupt(&job, &im), "corruption number 15");
    test_fails(sim_corruption_find("fogg", 4, "shift.corruptions", &c), "nearest: fog");
    test_fails(sim_jpeg_round_trip(&im, 0), "qualities 1 to 100");
    sim_image_close(&im);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("corruptions");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 600);
    tcase_add_test(t, deterministic_corruptions_equal_the_libraries);
    tcase_add_test(t, random_corruptions_equal_the_libraries_in_their_moments);
    tcase_add_test(t, frost_is_like_the_photographs);
    tcase_add_test(t, what_is_drawn_follows_from_seed_and_number);
    tcase_add_test(t, any_size_will_do);
    tcase_add_test(t, what_cannot_be_is_refused);
    suite_add_tcase(s, t);
    return test_run(s);
}
