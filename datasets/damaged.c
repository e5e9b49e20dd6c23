#include "damaged.h"

#include <stdlib.h>
#include <string.h>

#include "progress.h"

enum { LOGGED = 10 };

struct sim_damaged {
    int64_t count;
    uint8_t seen[]; /* (images) */
};

sim_status sim_damaged_open(struct sim_images *s)
{
    sim_damaged_close(s);
    s->damaged = calloc(1, sizeof *s->damaged + (size_t)s->count);
    return s->damaged ? SIM_OK : sim_fail(SIM_ENOMEM, "no memory for a list of %ld images", (long)s->count);
}

void sim_damaged_close(struct sim_images *s)
{
    free(s->damaged);
    s->damaged = NULL;
}

void sim_damaged_note(const struct sim_images *s, int64_t i)
{
    char name[512];
    struct sim_damaged *d = s->damaged;
    if (!d || d->seen[i]) return;
    d->seen[i] = 1, d->count++;
    s->name(s->self, i, name, sizeof name);
    if (d->count <= LOGGED) sim_log("damaged image passed over: %s", name);
    if (d->count == LOGGED) sim_log("further damaged images are counted, not named");
}

void sim_damaged_forget(const struct sim_images *s)
{
    if (!s->damaged) return;
    s->damaged->count = 0;
    memset(s->damaged->seen, 0, (size_t)s->count);
}

int64_t sim_damaged_list(const struct sim_images *s, int64_t *index, int64_t most)
{
    if (!s->damaged) return 0;
    int64_t n = 0;
    for (int64_t i = 0; n < most && n < s->damaged->count && i < s->count; i++)
        if (s->damaged->seen[i]) index[n++] = i;
    return s->damaged->count;
}
