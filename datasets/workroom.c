#include "workroom.h"

#include <stdlib.h>

sim_status sim_workrooms_open(struct sim_workroom **out, int workers)
{
    *out = calloc(workers > 0 ? (size_t)workers : 1, sizeof **out);
    return *out ? SIM_OK : sim_fail(SIM_ENOMEM, "no memory for %d loader threads", workers);
}

void sim_workrooms_close(struct sim_workroom *rooms, int workers)
{
    for (int w = 0; rooms && w < workers; w++) {
        sim_image_close(&rooms[w].source);
        sim_image_close(&rooms[w].view);
    }
    free(rooms);
}

void sim_workroom_bound(struct sim_image *im)
{
    if (im->room_bytes > SIM_WORKROOM_KEPT_BYTES) sim_image_close(im);
}
