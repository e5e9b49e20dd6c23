/* Drawing on 8-bit RGB canvases: smooth-edged dots, lines and frames, and pictures pasted in.  Coordinates
 * are pixels, (0, 0) the top left corner of the top left pixel; whatever lies outside the canvas is clipped.
 */
#ifndef SIM_DRAW_H
#define SIM_DRAW_H

#include "pixels.h"

struct sim_color {
    uint8_t r, g, b;
};

void sim_draw_fill(struct sim_image *to, struct sim_color c);
void sim_draw_dot(struct sim_image *to, double x, double y, double radius, struct sim_color c);
void sim_draw_line(struct sim_image *to, double x0, double y0, double x1, double y1, double width,
                   struct sim_color c);
/* The outline of a box; the line lies astride the edge. */
void sim_draw_frame(struct sim_image *to, double x, double y, double w, double h, double width,
                    struct sim_color c);
/* A filled triangle. */
void sim_draw_triangle(struct sim_image *to, const double x[3], const double y[3], struct sim_color c);
/* Mixes every pixel of a box with a colour: share 0 leaves it, 1 replaces it. */
void sim_draw_tint(struct sim_image *to, int x, int y, int w, int h, struct sim_color c, double share);

/* The crop (i, j, h, w) of `from`, in the flipped frame if `flip`, resized to out_w x out_h and pasted at (x,
 * y). */
sim_status sim_draw_picture(struct sim_image *to, const struct sim_image *from, int flip, int i, int j, int h,
                            int w, int x, int y, int out_w, int out_h);

/* Small letters, digits and _ - . / in cells of 6 x 9 pixels, each enlarged `times`; other characters are left blank.
 * (x, y): the top left corner. */
void sim_draw_text(struct sim_image *to, int x, int y, const char *text, int times, struct sim_color c);

/* Every pixel as a square of `times` x `times`; the caller closes *out. */
sim_status sim_draw_enlarged(struct sim_image *out, const uint8_t *rgb, int w, int h, int times);

#endif
