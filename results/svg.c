#include "svg.h"

#include <string.h>

#include "text.h"

static int starts(const char *text, const char *word)
{
    return strncmp(text, word, strlen(word)) == 0;
}

/* Attributes that hold an id or refer to one, as gnuplot writes them. */
static const char *const ids[] = {" id=\"", " id='", "xlink:href='#", "xlink:href=\"#", "url(#"};

/* Inside a tag: copies one attribute's beginning with the prefix behind it, or one character. */
static const char *copy(FILE *to, const char *at, const char *prefix)
{
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        if (starts(at, ids[i])) {
            fprintf(to, "%s%s", ids[i], prefix);
            return at + strlen(ids[i]);
        }
    fputc(*at, to);
    return at + 1;
}

static int is_foreign(const char *tag)
{
    const char *end = strchr(tag, '>'), *href = strstr(tag, "href=");
    return starts(tag, "<script") || starts(tag, "<image") || starts(tag, "<foreignObject") ||
           (href && end && href < end && href[6] != '#');
}

sim_status sim_svg_inline(FILE *to, const char *text, const char *prefix, const char *label)
{
    const char *at = strstr(text, "<svg"), *end = NULL;
    for (const char *next = at; next && (next = strstr(next, "</svg>")) != NULL; next++) end = next;
    if (!at || !end) return sim_fail(SIM_EFORMAT, "gnuplot's picture is no SVG");
    fputs("<svg role=\"img\" aria-label=\"", to);
    sim_text_html(to, label);
    fputc('"', to);
    int inside = 1; /* of a tag */
    for (at += 4; at < end;) {
        if (*at == '<' && is_foreign(at))
            return sim_fail(SIM_EFORMAT, "gnuplot's picture holds something that is no drawing");
        inside = *at == '<' || (inside && *at != '>');
        if (inside) {
            at = copy(to, at, prefix);
        } else {
            fputc(*at++, to);
        }
    }
    fputs("</svg>\n", to);
    return SIM_OK;
}
