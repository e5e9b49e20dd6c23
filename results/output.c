#include "output.h"

#include <stdlib.h>

#include "file.h"

sim_status sim_output_write(const char *folder, const char *name, FILE *terminal,
                            sim_status (*put)(FILE *to, const void *context), const void *context)
{
    char *text = NULL, *path = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    sim_status status = SIM_OK;
    if (!to || asprintf(&path, "%s/%s", folder, name) < 0)
        path = NULL, status = sim_fail(SIM_ENOMEM, "no memory for %s", name);
    if (status == SIM_OK) status = put(to, context);
    if (to && fclose(to) != 0 && status == SIM_OK) status = sim_fail(SIM_ENOMEM, "no memory for %s", name);
    if (status == SIM_OK) status = sim_file_write(path, text, size);
    if (status == SIM_OK && terminal) fprintf(terminal, "  %s\n", path);
    free(text);
    free(path);
    return status;
}
