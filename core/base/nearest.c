#include "nearest.h"

#include <string.h>

#define LONGEST 96 /* longer words are compared by their beginnings */

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

/* Edit distance with swaps of neighbours (optimal string alignment). */
static int distance(const char *a, const char *b)
{
    int rows[3][LONGEST + 1];
    int *before = rows[0], *last = rows[1], *row = rows[2];
    int m = (int)strnlen(a, LONGEST), n = (int)strnlen(b, LONGEST);
    for (int j = 0; j <= n; j++) last[j] = j;
    for (int i = 1; i <= m; i++) {
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            row[j] = smaller(smaller(last[j] + 1, row[j - 1] + 1), last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = smaller(row[j], before[j - 2] + 1);
        }
        int *spare = before;
        before = last, last = row, row = spare;
    }
    return last[n];
}

const char *sim_nearest(const char *word, const char *const *candidates, int count)
{
    const char *best = NULL;
    int least = 0;
    for (int i = 0; i < count; i++) {
        int d = distance(word, candidates[i]);
        if (!best || d < least) best = candidates[i], least = d;
    }
    if (!best) return NULL;
    int length = (int)strnlen(best, LONGEST), given = (int)strnlen(word, LONGEST);
    return 2 * least <= (length > given ? length : given) ? best : NULL;
}
