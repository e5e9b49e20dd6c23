/* Calls of the system that make bytes and names durable, over short writes and signals: what file.h,
 * partial.h and events.h have in common. */
#ifndef SIM_DURABLE_H
#define SIM_DURABLE_H

#include <stddef.h>

/* 0, or -1 with errno. */
int sim_durable_write(int fd, const void *bytes, size_t count); /* all of them */
int sim_durable_sync(int fd);
/* Makes a new or renamed entry of the folder of `path` durable. */
int sim_durable_sync_folder_of(const char *path);

/* The folder that holds `path`; the caller frees.  NULL without memory. */
char *sim_durable_folder_of(const char *path);

#endif
