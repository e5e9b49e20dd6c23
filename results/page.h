/* The report as one HTML page that needs nothing else: pictures inside, no script, no font from elsewhere. */
#ifndef SIM_PAGE_H
#define SIM_PAGE_H

#include "chapter.h"

/* Writes FOLDER/index.html.  Figures are read back from the folder, where sim_book_draw left them. */
sim_status sim_page_write(const struct sim_book *b, const char *folder, FILE *terminal);

/* The page's style sheet (page_style.c). */
extern const char sim_page_style[];

#endif
