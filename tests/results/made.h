/* Made-up records, for tests of what is computed from them. */
#ifndef MADE_H
#define MADE_H

#include <stdio.h>

struct made_score {
    const char *name; /* NULL ends a list */
    double value;
};

struct made {
    const char *experiment, *name, *status; /* NULL: "e", "run", "ok" */
    const char *config; /* members of its configuration behind the seed: "\"a\": 1"; NULL: the name */
    const char *study;  /* the whole object, or NULL */
    const char *device; /* NULL: "d" */
    int seed;
    double knn, logistic;            /* of the pretrained encoder; the untrained one has 0.05 and 0.1 */
    const struct made_score *scores; /* further ones of the same encoder, or NULL */
    int untrained; /* 1: nothing was pre-trained: no curve, and the scores are the untrained encoder's */
    double gflop_per_image, gflop; /* 0: 1; gflop NaN: not recorded */
    double loss;                   /* added to the curve 0.9 - 0.05 epoch */
    double train_s, bytes;         /* 0: 60, 1e8 */
};

/* One line of JSON. */
void made_put(FILE *to, const struct made *m);

/* Small differences between seeds, the same every time: about normal, deviation 1, mean 0 over seeds 0 to 7.
 */
double made_noise(int seed);

#endif
