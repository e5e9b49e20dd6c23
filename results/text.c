#include "text.h"

#include <limits.h>
#include <string.h>

static int continues(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

int sim_text_width(const char *text)
{
    int n = 0;
    for (; *text; text++) n += !continues(*text);
    return n;
}

/* Bytes of the character at `text`, and whether it is a control character. */
static int next(const char *text, int *control)
{
    int bytes = 1;
    while (continues(text[bytes])) bytes++;
    unsigned char c = (unsigned char)text[0];
    *control = c < 0x20 || c == 0x7F || (c == 0xC2 && (unsigned char)text[1] < 0xA0);
    return bytes;
}

/* Every character of `escaped` gets `escape` before it. */
static void put(FILE *to, const char *text, int most, const char *escaped, char escape)
{
    int shorten = sim_text_width(text) > most, control;
    for (int n = 0; *text; n++) {
        if (shorten && n == most - 1) {
            fputs("…", to);
            return;
        }
        int bytes = next(text, &control);
        if (bytes == 1 && strchr(escaped, *text)) fputc(escape, to);
        if (control)
            fputc(' ', to);
        else
            fwrite(text, 1, (size_t)bytes, to);
        text += bytes;
    }
}

void sim_text_plain(FILE *to, const char *text, int most)
{
    put(to, text, most, "", 0);
}

void sim_text_markdown(FILE *to, const char *text)
{
    put(to, text, INT_MAX, "\\`*[]<>|&~$", '\\');
}

void sim_text_gnuplot(FILE *to, const char *text, int most)
{
    fputc('\'', to);
    put(to, text, most, "'", '\'');
    fputc('\'', to);
}
