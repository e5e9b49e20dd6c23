/* A picture of gnuplot's as a part of an HTML page. */
#ifndef SIM_SVG_H
#define SIM_SVG_H

#include <stddef.h>
#include <stdio.h>

#include "status.h"

/* Writes the <svg> element of an SVG file's text: without prolog and doctype, described by `label` for
 * readers who do not see it, and every id (and reference to one) with `prefix` before it, so that several
 * pictures share a page.  Text that is no SVG, or holds a script or a reference to somewhere else, is
 * SIM_EFORMAT. */
sim_status sim_svg_inline(FILE *to, const char *text, const char *prefix, const char *label);

#endif
