/* Texts out of records, made safe for where they are printed.  Names come from files and may hold anything.
 */
#ifndef SIM_TEXT_H
#define SIM_TEXT_H

#include <stdio.h>

/* Appends to the text in `out` (size bytes) as far as there is room. */
void sim_text_append(char *out, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Characters (code points) of UTF-8 text. */
int sim_text_width(const char *text);

/* Control characters (newlines, escapes, C1) become spaces; more than `most` characters end in an ellipsis.
 */
void sim_text_plain(FILE *to, const char *text, int most);
/* The same for Markdown: every character with a meaning there is escaped. */
void sim_text_markdown(FILE *to, const char *text);
/* The same as a gnuplot string: single quotes, in which gnuplot expands nothing, quotes doubled.  What
 * the plots' font cannot show becomes a question mark. */
void sim_text_gnuplot(FILE *to, const char *text, int most);
/* The same for HTML, text and attribute values alike. */
void sim_text_html(FILE *to, const char *text);
/* The same for LaTeX with UTF-8 input; the signs that our tables use (plus-minus, times, dash) become
 * commands. */
void sim_text_latex(FILE *to, const char *text);
/* A CSV field (RFC 4180): in quotes where it must be; control characters become spaces. */
void sim_text_csv(FILE *to, const char *text);

#endif
