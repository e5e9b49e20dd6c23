/* "Did you mean ...?": the nearest of a list of words. */
#ifndef SIM_NEAREST_H
#define SIM_NEAREST_H

/* The candidate with the fewest edits (insert, delete, replace, swap neighbours) to `word`, the first among
 * equals; NULL when there are no candidates or the best shares too little with the word to be a hint. */
const char *sim_nearest(const char *word, const char *const *candidates, int count);

#endif
