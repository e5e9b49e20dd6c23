/* Shapes that nobody thought of: each dimension by its name in `dims`, small enough for the references. */
#include <stdlib.h>
#include <string.h>

#include "trial.h"

struct range {
    const char *name;
    int64_t low, high, step;
};

static const struct range ranges[] = {
    {"rows", 1, 300, 1},  {"dim", 1, 260, 1},     {"in", 1, 200, 1},      {"out", 1, 200, 1},
    {"m", 1, 200, 1},     {"n", 1, 200, 1},       {"k", 1, 200, 1},       {"batch", 1, 6, 1},
    {"tokens", 1, 90, 1}, {"heads", 1, 5, 1},     {"head_dim", 8, 80, 8}, {"patches", 1, 70, 1},
    {"patch", 1, 9, 1},   {"grid", 1, 9, 1},      {"n0", 0, 5000, 1},     {"n1", 0, 5000, 1},
    {"n2", 0, 5000, 1},   {"classes", 1, 200, 1},
};

static int64_t draw(struct sim_rng *r, int64_t low, int64_t high, int64_t step)
{
    int64_t choices = (high - low) / step + 1;
    return low + step * (int64_t)(sim_rng_uniform(r) * (double)choices);
}

/* The place of a name in `dims`, or -1. */
static int place(const struct operation *op, const char *name)
{
    const size_t length = strlen(name);
    int at = 0;
    for (const char *word = op->dims;; at++) {
        size_t here = strcspn(word, " ");
        if (here == length && strncmp(word, name, length) == 0) return at;
        if (!word[here]) return -1;
        word += here + 1;
    }
}

int trial_random_shape(const struct operation *op, struct sim_rng *r, int64_t n[TRIAL_DIMS])
{
    const int side = place(op, "side"), patch = place(op, "patch"), taken = place(op, "taken"),
              patches = place(op, "patches"), tokens = place(op, "tokens"), first = place(op, "first"),
              count = place(op, "count"), dim = place(op, "dim");
    int known = 0, dims = 1;
    for (const char *c = op->dims; *c; c++) dims += *c == ' ';
    memset(n, 0, TRIAL_DIMS * sizeof *n);
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        int at = place(op, ranges[i].name);
        if (at >= 0) n[at] = draw(r, ranges[i].low, ranges[i].high, ranges[i].step), known++;
    }
    int64_t grid = 0;
    if (side >= 0 && patch >= 0) grid = draw(r, 1, 6, 1), n[side] = grid * n[patch], known++;
    if (taken >= 0) n[taken] = draw(r, 1, patches >= 0 ? n[patches] : grid * grid, 1), known++;
    if (first >= 0) n[first] = draw(r, 0, n[tokens] - 1, 1), known++;
    if (count >= 0) n[count] = draw(r, 1, n[tokens] - n[first], 1), known++;
    if (strcmp(op->name, "relative_features") == 0) n[dim] = 4 * (1 + n[dim] / 8); /* its contract */
    return known == dims;
}
