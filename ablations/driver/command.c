#include "command.h"

#include <stdio.h>

#include "status.h"

int sim_command_failed(const char *name)
{
    fprintf(stderr, "siameseim %s: %s\n", name, sim_error_text());
    return 1;
}
