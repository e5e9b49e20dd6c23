#include "text.h"

#include <limits.h>
#include <stdarg.h>
#include <string.h>

void sim_text_append(char *out, size_t size, const char *format, ...)
{
    size_t used = strlen(out);
    va_list values;
    va_start(values, format);
    vsnprintf(out + used, size - used, format, values);
    va_end(values);
}

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

/* The first byte of U+2E80 and above: CJK, emoji and the like.  The plots' font lacks them, and pango draws
 * what it lacks as boxes across the whole picture. */
static int beyond_font(const char *text)
{
    unsigned char c = (unsigned char)text[0], d = (unsigned char)text[1];
    return c > 0xE2 || (c == 0xE2 && d >= 0xBA);
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

/* Every character of `escaped` gets `escape` before it; font_only: those that plots cannot show become
 * question marks. */
static void put(FILE *to, const char *text, int most, const char *escaped, char escape, int font_only)
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
        else if (font_only && beyond_font(text))
            fputc('?', to);
        else
            fwrite(text, 1, (size_t)bytes, to);
        text += bytes;
    }
}

void sim_text_plain(FILE *to, const char *text, int most)
{
    put(to, text, most, "", 0, 0);
}

void sim_text_markdown(FILE *to, const char *text)
{
    put(to, text, INT_MAX, "\\`*[]<>|&~$", '\\', 0);
}

void sim_text_gnuplot(FILE *to, const char *text, int most)
{
    fputc('\'', to);
    put(to, text, most, "'", '\'', 1);
    fputc('\'', to);
}

/* ------------------------------------------------------------------ characters that become words */

struct word {
    const char *character, *written;
};

/* Every character that the list names as its word, control characters as spaces; the list ends in NULL. */
static void put_words(FILE *to, const char *text, const struct word *words)
{
    int control;
    while (*text) {
        int bytes = next(text, &control);
        const struct word *w = words;
        while (w->character &&
               ((int)strlen(w->character) != bytes || memcmp(w->character, text, (size_t)bytes) != 0))
            w++;
        if (control)
            fputc(' ', to);
        else if (w->character)
            fputs(w->written, to);
        else
            fwrite(text, 1, (size_t)bytes, to);
        text += bytes;
    }
}

void sim_text_html(FILE *to, const char *text)
{
    static const struct word words[] = {{"&", "&amp;"},   {"<", "&lt;"},  {">", "&gt;"},
                                        {"\"", "&quot;"}, {"'", "&#39;"}, {NULL, NULL}};
    put_words(to, text, words);
}

void sim_text_latex(FILE *to, const char *text)
{
    static const struct word words[] = {{"\\", "\\textbackslash{}"},
                                        {"{", "\\{"},
                                        {"}", "\\}"},
                                        {"$", "\\$"},
                                        {"&", "\\&"},
                                        {"#", "\\#"},
                                        {"_", "\\_"},
                                        {"%", "\\%"},
                                        {"^", "\\textasciicircum{}"},
                                        {"~", "\\textasciitilde{}"},
                                        {"<", "\\textless{}"},
                                        {">", "\\textgreater{}"},
                                        {"|", "\\textbar{}"},
                                        {"\"", "\\textquotedbl{}"},
                                        {"±", "$\\pm$"},
                                        {"×", "$\\times$"},
                                        {"–", "--"},
                                        {"…", "\\dots{}"},
                                        {NULL, NULL}};
    put_words(to, text, words);
}

void sim_text_csv(FILE *to, const char *text)
{
    static const struct word quotes[] = {{"\"", "\"\""}, {NULL, NULL}};
    int quoted = strpbrk(text, ",\"") || *text == ' ' || (*text && text[strlen(text) - 1] == ' ');
    if (quoted) fputc('"', to);
    put_words(to, text, quotes);
    if (quoted) fputc('"', to);
}
