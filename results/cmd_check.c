/* The subcommand `check`. */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "report.h"
#include "text.h"

const char sim_check_summary[] = "new records against reference records: what moved";

const char sim_check_help[] =
    "usage: siameseim check RECORDS... --against REFERENCE_RECORDS [--against ...]\n"
    "\n"
    "Compares every run of the reference (by experiment and name) with the same run in RECORDS, and prints "
    "a\n"
    "table of what moved.  Exit status 0: nothing; 1: something moved, or runs or seeds are missing.\n"
    "  scores    one-sided: below the reference's mean by more than its seeds explain (Student's t; the\n"
    "            reference sets mean and spread, and so needs at least 3 seeds, and more than RECORDS)\n"
    "  loss      mean of the curve, and epoch by epoch, either way; and seed by seed, where at least 3 "
    "seeds\n"
    "            are in both\n"
    "  cost      training time and peak memory against a factor, on the same device only\n"
    "  settings  configuration and data must be the same; keys that only one side has are told\n"
    "\n"
    "  --against PATH        records.jsonl or a folder that holds one; several are read together\n"
    "  --experiment NAME     only this experiment\n"
    "  --level P             of each test: how often an unchanged program fails it by chance (0.01)\n"
    "  --time-band FACTOR    training may take this many times as long (1.25); 0: not compared\n"
    "  --memory-band FACTOR  and this many times the memory (1.1); 0: not compared\n"
    "  --other-config        differing configurations are told but do not fail\n"
    "  --all                 print what stayed the same too\n"
    "\n"
    "example: siameseim check runs/now --against results/records/reference.jsonl\n";

enum { MOST_REFERENCES = 64 };

struct request {
    const char *against[MOST_REFERENCES], *experiment;
    int against_count, all;
    struct sim_check_options o;
};

static int usage(const char *sentence, const char *word)
{
    fprintf(stderr, "siameseim check: %s%s; siameseim check --help tells more\n", sentence, word);
    return 2;
}

/* ------------------------------------------------------------------ output */

static const char *state_name(enum sim_check_state s)
{
    static const char *const names[] = {"ok",      "better", "not compared", "not enough runs",
                                        "missing", "moved"};
    return names[s];
}

sim_status sim_check_grid(struct sim_grid *g, const struct sim_check *c, int all)
{
    static const char *const head[] = {"run", "what", "verdict", "reference", "now", "limit", "p", "note"};
    int rows = 1, at = 1;
    for (int i = 0; i < c->count; i++) rows += all || c->rows[i].state != SIM_CHECK_OK;
    SIM_TRY(sim_grid_open(g, rows, 8));
    for (int k = 0; k < 8; k++) sim_grid_put(g, 0, k, "%s", head[k]);
    g->left[0] = g->left[1] = g->left[2] = g->left[7] = 1;
    for (int failing = 1; failing >= 0; failing--)
        for (int i = 0; i < c->count; i++) {
            const struct sim_check_row *r = &c->rows[i];
            if (sim_check_fails(r->state) != failing || (!all && r->state == SIM_CHECK_OK)) continue;
            const char *const texts[] = {r->what, state_name(r->state), r->was, r->is, r->limit, r->p,
                                         r->note};
            sim_grid_put(g, at, 0, "%s: %s", r->experiment, r->reference->label);
            for (int k = 0; k < 7; k++) sim_grid_put(g, at, k + 1, "%s", texts[k]);
            at++;
        }
    return SIM_OK;
}

static sim_status print(const struct sim_check *c, const struct request *q)
{
    struct sim_grid g;
    SIM_TRY(sim_check_grid(&g, c, q->all));
    sim_status status = g.rows > 1 ? sim_grid_terminal(stdout, &g, 48) : SIM_OK;
    if (g.rows > 1) fputc('\n', stdout);
    sim_grid_close(&g);
    printf("  %d comparisons, %d of them tests at level %g each", c->count, c->tests, q->o.level);
    printf(" (an unchanged program fails some test in at most %.0f %% of checks).\n",
           100 * fmin(1, c->tests * q->o.level));
    if (!c->failed) {
        puts("  Nothing moved.");
        return status;
    }
    printf("  Does not pass, %d of %d:", c->failed, c->count);
    const char *gap = " ";
    for (int i = 0; i < c->count; i++) {
        if (!sim_check_fails(c->rows[i].state)) continue;
        fputs(gap, stdout);
        sim_text_plain(stdout, c->rows[i].reference->label, 60);
        printf(" (%s: %s)", c->rows[i].what, state_name(c->rows[i].state));
        gap = ", ";
    }
    puts(".");
    return status;
}

/* ------------------------------------------------------------------ the command */

static sim_status read_all(struct sim_run_records *records, struct sim_summaries *summaries,
                           const char *const *paths, int count, const char *experiment)
{
    for (int i = 0; i < count; i++) SIM_TRY(sim_run_records_read(records, paths[i]));
    return sim_summaries_make(summaries, records, experiment);
}

static sim_status check(const char *const *paths, int count, const struct request *q, int *failed)
{
    struct sim_run_records was = {0}, is = {0};
    struct sim_summaries reference = {0}, now = {0};
    struct sim_check c = {0};
    sim_status status = read_all(&was, &reference, q->against, q->against_count, q->experiment);
    if (status != SIM_OK) sim_context(status, "--against");
    if (status == SIM_OK) status = read_all(&is, &now, paths, count, q->experiment);
    if (status == SIM_OK) status = sim_check_compare(&c, &reference, &now, &q->o);
    *failed = c.failed;
    if (status == SIM_OK) status = print(&c, q);
    sim_check_close(&c);
    sim_summaries_close(&reference);
    sim_summaries_close(&now);
    sim_run_records_close(&was);
    sim_run_records_close(&is);
    return status;
}

/* A number from `low` to `high`, bounds included. */
static int read_number(const char *text, double low, double high, double *out)
{
    char *end;
    errno = 0;
    *out = strtod(text, &end);
    return end != text && !*end && !errno && *out >= low && *out <= high;
}

int sim_check_main(int argc, char **argv)
{
    static const struct option options[] = {{"against", required_argument, NULL, 'a'},
                                            {"experiment", required_argument, NULL, 'e'},
                                            {"level", required_argument, NULL, 'l'},
                                            {"time-band", required_argument, NULL, 't'},
                                            {"memory-band", required_argument, NULL, 'm'},
                                            {"other-config", no_argument, NULL, 'c'},
                                            {"all", no_argument, NULL, 'A'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct request q = {.o = SIM_CHECK_DEFAULTS};
    int option, failed = 0;
    optind = 0; /* glibc: start afresh, whatever was parsed before */
    while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(sim_check_help, stdout);
            return 0;
        }
        if (option == ':') return usage("a value is missing behind ", argv[optind - 1]);
        if (option == '?') return usage("unknown option ", argv[optind - 1]);
        if (option == 'a' && q.against_count == MOST_REFERENCES)
            return usage("too many references, the last: ", optarg);
        if (option == 'a') q.against[q.against_count++] = optarg;
        if (option == 'e') q.experiment = optarg;
        if (option == 'l' && !read_number(optarg, 1e-6, 0.5, &q.o.level))
            return usage("--level is a number from 0.000001 to 0.5, not ", optarg);
        if (option == 't' && !read_number(optarg, 0, 1e6, &q.o.time_band))
            return usage("--time-band is a factor from 0, not ", optarg);
        if (option == 'm' && !read_number(optarg, 0, 1e6, &q.o.memory_band))
            return usage("--memory-band is a factor from 0, not ", optarg);
        if (option == 'c') q.o.other_config = 1;
        if (option == 'A') q.all = 1;
    }
    if (optind == argc) return usage("no records given", "");
    if (!q.against_count) return usage("--against REFERENCE_RECORDS is missing", "");
    if (check((const char *const *)argv + optind, argc - optind, &q, &failed) == SIM_OK) return failed != 0;
    fflush(stdout);
    fprintf(stderr, "siameseim check: %s\n", sim_error_text());
    return 1;
}
