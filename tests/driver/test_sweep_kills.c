/* A sweep that is killed again and again ends with the records of one that was not.
 *
 * Four kills; SIM_KILLS=20, which is `make kills`, makes twenty, SIM_KILLS_SEED=N others. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rng.h"
#include "status.h"
#include "support.h"
#include "sweeps.h"
#include "tool.h"

enum { MOST = 16, RUNS = 4 };
enum way { PARENT, CHILD, ALL, ASKED, WAYS };
static const char *const names[] = {"the parent", "a child", "parent and children",
                                    "the parent, asked to stop"};

static char file[800], log_path[800];

static int number(const char *variable, int otherwise)
{
    const char *text = getenv(variable);
    return text ? atoi(text) : otherwise;
}

/* Nobody of those is left some seconds after their parent. */
static void assert_no_orphans(const pid_t *children, int count)
{
    for (int i = 0; i < count; i++) {
        int left = 1;
        for (int k = 0; k < 1000 && left; k++) {
            left = kill(children[i], 0) == 0;
            if (left) sweep_nap(0.02);
        }
        ck_assert_msg(!left, "process %d outlived its parent", (int)children[i]);
    }
}

static pid_t start(const char *out)
{
    return tool_start(log_path, "run %s --out %s --jobs 2", file, out);
}

/* One kill, a moment after something is under way.  0: the sweep ended before. */
static int strike(pid_t sweep, struct sim_rng *r, enum way way)
{
    pid_t children[MOST];
    int count = 0;
    sweep_nap(sim_rng_between(r, 0.02, 0.7));
    for (int i = 0; i < 500 && !count && sweep_running(sweep); i++) {
        count = sweep_children(sweep, children, MOST);
        if (!count) sweep_nap(0.005);
    }
    if (!count || !sweep_running(sweep)) return 0;
    const pid_t victim = children[sim_rng_below(r, (uint32_t)count)];
    if (way == CHILD) kill(victim, SIGKILL);
    if (way == ASKED) kill(sweep, SIGTERM);
    if (way == PARENT || way == ALL) kill(sweep, SIGKILL);
    for (int i = 0; way == ALL && i < count; i++) kill(children[i], SIGKILL);
    if (way == CHILD) return 1;
    int code = tool_end(sweep);
    ck_assert_int_eq(code, way == ASKED ? 75 : 128 + SIGKILL);
    assert_no_orphans(children, count);
    return 1;
}

/* Runs in `out`, struck up to `kills` times, to the end; returns how often it was. */
static int disturbed(const char *out, int kills, struct sim_rng *r, int *turn)
{
    int struck = 0;
    for (int starts = 0; starts < 10 + kills; starts++) {
        pid_t sweep = start(out);
        enum way way = CHILD;
        while (struck < kills && way == CHILD) {
            way = (enum way)(*turn % WAYS);
            if (!strike(sweep, r, way)) {
                way = CHILD;
                break;
            }
            printf("killed %s\n", names[way]);
            struck++, ++*turn;
        }
        if (way != CHILD) continue;
        if (tool_end(sweep) == 0) return struck;
    }
    ck_abort_msg("the sweep did not come to an end:\n%s", sweep_said(log_path));
    return 0;
}

START_TEST(kills_change_no_record)
{
    char whole[700], out[700];
    int kills = number("SIM_KILLS", 4), seed = number("SIM_KILLS_SEED", 0), struck = 0, turn = 0, lines, oks;
    struct sim_rng r = sim_rng_make((uint64_t)seed, SIM_PURPOSE_TEST, 0, 0, 0);
    snprintf(file, sizeof file, "%s", sweep_file(test_scratch(), ""));
    snprintf(whole, sizeof whole, "%s", test_scratch());
    snprintf(log_path, sizeof log_path, "%s/log", whole);
    ck_assert_int_eq(tool_end(tool_start(log_path, "run %s --out %s --threads 1", file, whole)), 0);
    for (int sweeps = 0; struck < kills && sweeps < kills; sweeps++) {
        snprintf(out, sizeof out, "%s", test_scratch());
        snprintf(log_path, sizeof log_path, "%s/log", out);
        struck += disturbed(out, kills - struck, &r, &turn);
        sweep_same(whole, out);
        json_t *records = sweep_records(out, &lines, &oks);
        ck_assert_int_eq(oks, RUNS); /* each run was recorded as done once */
        json_decref(records);
    }
    ck_assert_int_eq(struck, kills);
    printf("%d kills, seed %d\n", struck, seed);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sweep kills");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 1200);
    tcase_add_test(all, kills_change_no_record);
    suite_add_tcase(suite, all);
    return test_run(suite);
}
