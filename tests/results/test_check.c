/* The regression verdict over made-up records: what stays is passed, what moved is named. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "made.h"
#include "recipe.h"
#include "report.h"
#include "support.h"

#define SPREAD 0.01

/* Eight seeds of two runs, and what a check makes of `seeds` of them moved by these amounts. */
struct change {
    double knn, logistic, loss; /* in units of the spread between seeds (loss: 0.004) */
    double slower, larger;      /* factors; 0: 1 */
    const char *device, *status, *config;
    int seeds, first; /* seeds first .. first + seeds - 1 */
    int only_one;     /* the second run is missing */
};

static void put_run(FILE *to, const char *name, int seed, const struct change *c)
{
    double noise = SPREAD * made_noise(seed);
    struct made m = {.name = name,
                     .seed = seed,
                     .device = c->device,
                     .status = c->status,
                     .config = c->config ? c->config : "\"train\": {\"lr\": 0.001}",
                     .knn = 0.3 + noise + SPREAD * c->knn,
                     .logistic = 0.4 - noise + SPREAD * c->logistic,
                     .loss = 0.004 * (made_noise(seed + 3) + c->loss),
                     .train_s = (60 + made_noise(seed)) * (c->slower > 0 ? c->slower : 1),
                     .bytes = 1e8 * (c->larger > 0 ? c->larger : 1)};
    made_put(to, &m);
}

static const char *file_of(const char *name, const struct change *c)
{
    static char path[2][700];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s.jsonl", test_scratch(), name);
    FILE *to = fopen(path[turn], "w");
    ck_assert_ptr_nonnull(to);
    for (int i = 0; i < c->seeds; i++) {
        put_run(to, "full", c->first + i, c);
        if (!c->only_one) put_run(to, "no_mask", c->first + i, c);
    }
    fclose(to);
    return path[turn];
}

/* Compares; the table with everything in it, as CSV, and how many rows fail. */
static char *compare(const struct change *was, const struct change *is, const struct sim_check_options *o,
                     int *failed)
{
    struct sim_run_records a = {0}, b = {0};
    struct sim_summaries reference, now;
    struct sim_check c;
    struct sim_grid g;
    char *text = NULL;
    size_t size;
    test_ok(sim_run_records_read(&a, file_of("reference", was)));
    test_ok(sim_run_records_read(&b, file_of("now", is)));
    test_ok(sim_summaries_make(&reference, &a, NULL));
    test_ok(sim_summaries_make(&now, &b, NULL));
    test_ok(sim_check_compare(&c, &reference, &now, o));
    *failed = c.failed;
    test_ok(sim_check_grid(&g, &c, 1));
    FILE *to = open_memstream(&text, &size);
    test_ok(sim_grid_csv(to, &g, 1));
    fclose(to);
    sim_grid_close(&g);
    sim_check_close(&c);
    sim_summaries_close(&reference);
    sim_summaries_close(&now);
    sim_run_records_close(&a);
    sim_run_records_close(&b);
    return text;
}

static void expect(const char *text, const char *piece)
{
    ck_assert_msg(strstr(text, piece) != NULL, "no \"%s\" in:\n%.4000s", piece, text);
}

START_TEST(what_moved_is_named)
{
    static const struct change reference = {.seeds = 8};
    static const struct {
        struct change now;
        int failed;
        const char *row; /* of the table */
    } cases[] = {
        {{.seeds = 2}, 0, "e: full,logistic,ok"},               /* the same program, the same seeds */
        {{.seeds = 2}, 0, "\"same seeds, same score\""},        /* and seed by seed */
        {{.seeds = 3, .first = 8}, 0, "e: no_mask,knn,ok"},     /* seeds that the reference has not */
        {{.seeds = 2, .knn = -3}, 2, "e: full,knn,moved,30.0"}, /* three spreads down */
        {{.seeds = 2, .logistic = -3}, 2, "e: no_mask,logistic,moved,40.0"},
        {{.seeds = 2, .knn = -1}, 0, "e: full,knn,ok"},
        {{.seeds = 2, .knn = 4}, 0, "e: full,knn,better"},
        {{.seeds = 2, .loss = 3}, 2, "e: full,\"loss, mean of the curve\",moved"},
        {{.seeds = 2, .loss = -4}, 2, "e: full,\"loss, mean of the curve\",moved"},
        {{.seeds = 2, .loss = 8}, 4, "e: full,\"loss, epoch by epoch\",moved"},
        {{.seeds = 2, .loss = 8}, 4, "5 of 5 epochs outside"},
        {{.seeds = 4}, 0, "e: full,\"loss, seed by seed\",ok,,+0.0000 ± 0.0000 (n 4)"},
        {{.seeds = 4, .loss = 1},
         2,
         "e: full,\"loss, seed by seed\",moved"}, /* what seeds alone would hide */
        {{.seeds = 4, .loss = 1}, 2, "e: full,\"loss, mean of the curve\",ok"},
        {{.seeds = 4, .loss = 0.1}, 0, "e: full,\"loss, seed by seed\",ok"}, /* less than is believed */
        {{.seeds = 2, .slower = 1.4}, 2, "e: full,training time,moved,1 min 00 s"},
        {{.seeds = 2, .slower = 1.2}, 0, "e: full,training time,ok"},
        {{.seeds = 2, .slower = 0.5}, 0, "e: full,training time,ok"},
        {{.seeds = 2, .larger = 1.2}, 2, "e: full,peak memory,moved,95 MiB,114 MiB,<= 105 MiB"},
        {{.seeds = 2, .slower = 3, .device = "other"}, 0, "e: full,training time,not compared"},
        {{.seeds = 2, .only_one = 1}, 1, "e: no_mask,run,missing"},
        {{.seeds = 2, .only_one = 1}, 1, "\"no record of experiment e, run no_mask\""},
        {{.seeds = 8}, 10, "e: full,knn,not enough runs"},
        {{.seeds = 2, .config = "\"train\": {\"lr\": 0.002}"}, 2, "\"train.lr 0.002, was 0.001\""},
        {{.seeds = 2, .config = "\"train\": {\"lr\": 0.001, \"x\": 1}"}, 0, "train.x: new"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int failed;
        char *table = compare(&reference, &cases[i].now, &SIM_CHECK_DEFAULTS, &failed);
        const char *row = cases[i].row;
        char plain[200]; /* a note without commas stands without quotes */
        snprintf(plain, sizeof plain, "%s", row);
        if (row[0] == '"' && !strchr(row, ','))
            snprintf(plain, sizeof plain, "%.*s", (int)strlen(row) - 2, row + 1);
        expect(table, plain);
        ck_assert_msg(failed == cases[i].failed, "case %zu: %d fail, expected %d:\n%s", i, failed,
                      cases[i].failed, table);
        free(table);
    }
}
END_TEST

START_TEST(few_seeds_and_endings)
{
    int failed;
    struct change two = {.seeds = 2}, one = {.seeds = 1}, eight = {.seeds = 8},
                  diverged = {.seeds = 2, .status = "diverged"};
    char *table = compare(&two, &one, &SIM_CHECK_DEFAULTS, &failed);
    expect(table,
           "2 seeds in the reference, 1 here: the reference needs at least 3, and more than the check");
    ck_assert_int_eq(failed, 10);
    free(table);
    table = compare(&eight, &diverged, &SIM_CHECK_DEFAULTS, &failed);
    expect(table, "e: full,ending,moved,,seed 1 diverged");
    expect(table, "no finished record has it now; the reference has it of 8");
    free(table);
    struct sim_check_options tolerant = SIM_CHECK_DEFAULTS;
    struct change other = {.seeds = 2, .slower = 9, .larger = 9, .config = "\"train\": {\"lr\": 0.002}"};
    tolerant.time_band = tolerant.memory_band = 0, tolerant.other_config = 1;
    table = compare(&eight, &other, &tolerant, &failed);
    ck_assert_int_eq(failed, 0);
    expect(table, "e: full,training time,not compared");
    free(table);
}
END_TEST

/* At a level of 10 %, about a tenth of unchanged checks fails a test by chance: the t of a mean against
 * another's spread is the right one. */
START_TEST(level_is_kept)
{
    int fails = 0, rounds = 400;
    uint64_t state = 1;
    for (int k = 0; k < rounds; k++) {
        double x[8];
        for (int i = 0; i < 8; i++) { /* sums of twelve uniforms: near enough to normal */
            double sum = -6;
            for (int j = 0; j < 12; j++) {
                state = state * 6364136223846793005u + 1442695040888963407u;
                sum += (double)(state >> 11) / 9007199254740992.0;
            }
            x[i] = sum;
        }
        struct sim_run_records a = {0}, b = {0};
        struct sim_summaries reference, now;
        struct sim_check c;
        char path[700];
        snprintf(path, sizeof path, "%s/r.jsonl", test_scratch());
        for (int part = 0; part < 2; part++) {
            FILE *to = fopen(path, "w");
            for (int i = part ? 6 : 0; i < (part ? 8 : 6); i++)
                made_put(to, &(struct made){.seed = i, .knn = 0.3 + 0.02 * x[i], .logistic = 0.4});
            fclose(to);
            test_ok(sim_run_records_read(part ? &b : &a, path));
        }
        test_ok(sim_summaries_make(&reference, &a, NULL));
        test_ok(sim_summaries_make(&now, &b, NULL));
        struct sim_check_options o = SIM_CHECK_DEFAULTS;
        o.level = 0.1;
        test_ok(sim_check_compare(&c, &reference, &now, &o));
        fails += c.failed > 0;
        sim_check_close(&c);
        sim_summaries_close(&reference);
        sim_summaries_close(&now);
        sim_run_records_close(&a);
        sim_run_records_close(&b);
    }
    ck_assert_int_gt(fails, rounds / 10 - 24); /* four standard deviations */
    ck_assert_int_lt(fails, rounds / 10 + 24);
}
END_TEST

START_TEST(configurations_beside_each_other)
{
    char sentence[300];
    int changed, alone;
    test_ok(sim_recipe_compare("{\"a\": {\"b\": 1, \"c\": \"x\", \"d\": true}}",
                               "{\"a\": {\"b\": 1.0, \"c\": \"y\", "
                               "\"e\": 2}}",
                               &changed, &alone, sentence, sizeof sentence));
    ck_assert_int_eq(changed, 1);
    ck_assert_int_eq(alone, 2);
    ck_assert_str_eq(sentence, "a.c \"y\", was \"x\"; a.d: gone; a.e: new");
    test_ok(sim_recipe_compare("{\"a\": 1}", "{\"a\": 1}", &changed, &alone, sentence, sizeof sentence));
    ck_assert(!changed && !alone && !*sentence);
    test_ok(
        sim_recipe_compare("{\"aaaaaaaaaaaa\": 1}", "{\"aaaaaaaaaaaa\": 2}", &changed, &alone, sentence, 8));
    ck_assert_str_eq(sentence, "aaaaaaa");
}
END_TEST

static int run(const char *const *given)
{
    char words[8][700] = {"check"};
    char *argv[9] = {words[0]};
    int argc = 1;
    for (; *given; given++, argc++) {
        snprintf(words[argc], sizeof words[argc], "%s", *given);
        argv[argc] = words[argc];
    }
    return sim_check_main(argc, argv);
}
#define RUN(...) run((const char *const[]){__VA_ARGS__, NULL})

START_TEST(subcommand)
{
    struct change eight = {.seeds = 8}, two = {.seeds = 2}, worse = {.seeds = 2, .knn = -4};
    char was[700], is[700], bad[700];
    snprintf(was, sizeof was, "%s", file_of("reference", &eight));
    snprintf(is, sizeof is, "%s", file_of("now", &two));
    snprintf(bad, sizeof bad, "%s", file_of("bad", &worse));
    ck_assert_int_eq(RUN(is, "--against", was), 0);
    ck_assert_int_eq(RUN(is, "--against", was, "--all"), 0);
    ck_assert_int_eq(RUN(bad, "--against", was), 1);
    ck_assert_int_eq(RUN(bad, "--against", was, "--level", "0.000001"), 0);
    ck_assert_int_eq(RUN("--help"), 0);
    ck_assert_int_eq(RUN(is), 2);
    ck_assert_int_eq(RUN("--against", was), 2);
    ck_assert_int_eq(RUN(is, "--against"), 2);
    ck_assert_int_eq(RUN(is, "--against", was, "--level", "2"), 2);
    ck_assert_int_eq(RUN(is, "--against", was, "--time-band", "x"), 2);
    ck_assert_int_eq(RUN(is, "--nonsense"), 2);
    ck_assert_int_eq(RUN("no/such", "--against", was), 1);
    ck_assert_int_eq(RUN(is, "--against", "no/such"), 1);
    ck_assert_int_eq(RUN(is, "--against", was, "--experiment", "other"), 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("check");
    TCase *c = tcase_create("check");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, what_moved_is_named);
    tcase_add_test(c, few_seeds_and_endings);
    tcase_add_test(c, level_is_kept);
    tcase_add_test(c, configurations_beside_each_other);
    tcase_add_test(c, subcommand);
    suite_add_tcase(s, c);
    return test_run(s);
}
