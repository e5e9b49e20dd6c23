#include "command.h"

#include <stdio.h>

#include "progress.h"
#include "status.h"

int sim_command_failed(const char *name)
{
    fprintf(stderr, "siameseim %s: %s%s\n", name, sim_log_who(), sim_error_text());
    return 1;
}
