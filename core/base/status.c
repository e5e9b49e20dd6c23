#include "status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char text[2048];

/* Room for a sentence before it is cut: two paths and the old sentence. */
#define DRAFT_BYTES (5 * sizeof text)

/* Keeps the draft; where it is too long, its middle is left out, since the reason stands at the end. */
static void keep(const char *draft)
{
    static const char gap[] = " ... ";
    const size_t length = strlen(draft), half = (sizeof text - sizeof gap) / 2;
    if (length < sizeof text)
        memcpy(text, draft, length + 1);
    else
        snprintf(text, sizeof text, "%.*s%s%s", (int)half, draft, gap, draft + length - half);
}

sim_status sim_fail(sim_status code, const char *format, ...)
{
    char draft[DRAFT_BYTES]; /* built apart: an argument may be the old sentence itself */
    va_list args;
    va_start(args, format);
    vsnprintf(draft, sizeof draft, format, args);
    va_end(args);
    keep(draft);
    return code;
}

sim_status sim_context(sim_status code, const char *format, ...)
{
    char draft[DRAFT_BYTES];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(draft, sizeof draft - sizeof text - 2, format, args);
    va_end(args);
    size_t used = n < 0 ? 0 : strlen(draft);
    snprintf(draft + used, sizeof draft - used, ": %s", text);
    keep(draft);
    return code;
}

const char *sim_error_text(void)
{
    return text;
}
