#include "status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char text[2048];

sim_status sim_fail(sim_status code, const char *format, ...)
{
    char fresh[sizeof text]; /* built apart: an argument may be the old sentence itself */
    va_list args;
    va_start(args, format);
    vsnprintf(fresh, sizeof fresh, format, args);
    va_end(args);
    memcpy(text, fresh, sizeof text);
    return code;
}

sim_status sim_context(sim_status code, const char *format, ...)
{
    char fresh[sizeof text];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(fresh, sizeof fresh, format, args);
    va_end(args);
    if (n < 0) n = 0;
    if ((size_t)n < sizeof fresh) snprintf(fresh + n, sizeof fresh - (size_t)n, ": %s", text);
    memcpy(text, fresh, sizeof text);
    return code;
}

const char *sim_error_text(void)
{
    return text;
}
