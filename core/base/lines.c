#include "lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

sim_status sim_lines_open(struct sim_lines *l, const char *path, size_t most_bytes)
{
    *l = (struct sim_lines){.path = path, .most_bytes = most_bytes, .file = fopen(path, "re")};
    if (l->file) return SIM_OK;
    int code = errno;
    sim_status status = sim_fail(SIM_EIO, "%s: cannot be opened: %s", path, strerror(code));
    errno = code;
    return status;
}

static sim_status put(struct sim_lines *l, char c)
{
    if (l->size + 1 >= l->room) {
        size_t room = l->room ? l->room * 2 : 256;
        char *moved = realloc(l->text, room);
        if (!moved) return sim_fail(SIM_ENOMEM, "%s: no memory for a line of %zu bytes", l->path, room);
        l->text = moved, l->room = room;
    }
    l->text[l->size] = c;
    return SIM_OK;
}

sim_status sim_lines_next(struct sim_lines *l, int *more)
{
    int c;
    l->size = 0;
    while ((c = getc_unlocked(l->file)) != EOF && c != '\n') {
        if (l->size == l->most_bytes)
            return sim_fail(SIM_EFORMAT, "%s:%lld: a line of more than %zu bytes", l->path,
                            (long long)l->number + 1, l->most_bytes);
        SIM_TRY(put(l, (char)c));
        l->size++;
    }
    if (c == EOF && ferror(l->file))
        return sim_fail(SIM_EIO, "%s: cannot be read past line %lld: %s", l->path, (long long)l->number,
                        strerror(errno));
    *more = c == '\n' || l->size > 0;
    l->number += *more;
    return put(l, 0);
}

void sim_lines_close(struct sim_lines *l)
{
    if (l->file) fclose(l->file);
    free(l->text);
    *l = (struct sim_lines){0};
}
