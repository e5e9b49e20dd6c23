/* The parts of `siameseim data`; each takes the words behind its name. */
#ifndef SIM_CMD_DATA_H
#define SIM_CMD_DATA_H

#include "status.h"

sim_status sim_data_pack_command(int argc, char **argv);
sim_status sim_data_info_command(int argc, char **argv);
sim_status sim_data_verify_command(int argc, char **argv);
sim_status sim_data_show_command(int argc, char **argv);

/* Threads for work that is not training: --workers, or one for each core that there is. */
sim_status sim_data_workers(const char *text, int *workers);

#endif
