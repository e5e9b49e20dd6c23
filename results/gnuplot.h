/* gnuplot as a child process.  A drawing is a script text; names reach it only as single-quoted strings
 * (text.h), data only as numbers in inline blocks, and no path at all: the picture comes back on a file
 * descriptor and is written atomically by this program. */
#ifndef SIM_GNUPLOT_H
#define SIM_GNUPLOT_H

#include <stdio.h>

#include "status.h"

struct sim_drawing_script {
    FILE *to; /* commands go here; the terminal is chosen by sim_gnuplot_draw */
    char *text;
    size_t size;
    int width, height; /* in points: pixels of the SVG; the PNG has twice as many */
};

/* Colour-blind safe (Okabe and Ito, without yellow, which is faint on white), for the i-th row. */
const char *sim_gnuplot_colour(int i); /* "#0072B2" */

/* Opens a script whose head sets what all plots share: fonts, thin grid, borders left and below. */
sim_status sim_gnuplot_open(struct sim_drawing_script *s, int width, int height);

/* Renders FOLDER/STEM.svg and FOLDER/STEM.png and releases the script.  Prints the two paths to `terminal`
 * unless NULL. The bytes are a function of the script (and of gnuplot and the fonts installed).  Without
 * gnuplot: SIM_ELIB. */
sim_status sim_gnuplot_draw(struct sim_drawing_script *s, const char *folder, const char *stem,
                            FILE *terminal);
void sim_gnuplot_close(struct sim_drawing_script *s); /* gives up; a zeroed struct is legal */

/* `set xtics` or `set ytics` (axis "x", "y") at round numbers with as many decimals as their step needs,
 * about eight at most; `whole`: never between whole numbers. */
void sim_gnuplot_tics(FILE *to, const char *axis, double low, double high, int whole);

#endif
