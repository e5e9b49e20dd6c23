#include "facts.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Appends `text` to a list of rows of `room` bytes; 0 where the list is full. */
static int append(char *rows, size_t room, int most, int *count, const char *text)
{
    if (!*text) return 1;
    for (int i = 0; i < *count; i++)
        if (strcmp(rows + (size_t)i * room, text) == 0) return 1;
    if (*count == most) return 0;
    snprintf(rows + (size_t)(*count)++ * room, room, "%s", text);
    return 1;
}

void sim_facts_library(struct sim_ops_facts *f, const char *format, ...)
{
    char text[sizeof f->libraries[0]];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    append(f->libraries[0], sizeof f->libraries[0], SIM_FACTS_LIBRARIES, &f->library_count, text);
}

void sim_facts_substitute(struct sim_ops_facts *f, const char *format, ...)
{
    char text[sizeof f->substituted[0]];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    f->dropped += !append(f->substituted[0], sizeof f->substituted[0], SIM_FACTS_SUBSTITUTED,
                          &f->substituted_count, text);
}

void sim_facts_of(const struct sim_ops *o, struct sim_ops_facts *out)
{
    memset(out, 0, sizeof *out);
    snprintf(out->device, sizeof out->device, "%s (%s)", o->name, o->isa);
    if (o->describe) o->describe(o, out);
}
