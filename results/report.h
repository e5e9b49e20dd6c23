/* What results offers to the program: the report over records, the plots of one run, the check against a
 * reference, and the subcommands `report` and `check`. */
#ifndef SIM_REPORT_H
#define SIM_REPORT_H

#include <stdint.h>
#include <stdio.h>

#include "status.h"

/* Reads the records (files of JSON lines, or folders that hold a records.jsonl) and writes into out_dir (made
 * when absent): index.html, table.md, table.csv, table.tex, comparison.csv, claims.csv, and the plots, each
 * as .svg, .png and .csv.  Prints question, verdicts, table and the paths to `terminal` (NULL: nothing).
 * only_experiment: leave all others out; NULL takes every one.  Where several experiments remain, each gets
 * its own plots, loss-EXPERIMENT.svg and so on.  The files are a function of the records and their paths
 * alone: the same bytes every time.  Without gnuplot tables and page are still written, then the call fails
 * saying so. */
sim_status sim_results_report(const char *const *records_paths, int count, const char *out_dir,
                              const char *only_experiment, FILE *terminal);

/* The same with the paper's numbers beside ours, from the CSV files of `paper` (NULL: none). */
sim_status sim_results_report_beside(const char *const *records_paths, int count, const char *out_dir,
                                     const char *only_experiment, const char *paper, FILE *terminal);

/* The plots of one run into its folder: curves.svg and curves.png (loss, learning rate, momentum, gradient
 * norm over epochs).  Takes the last record of this experiment, name and seed; one without a curve is
 * SIM_EINVAL. */
sim_status sim_results_plot_run(const char *records_path, const char *experiment, const char *name,
                                int64_t seed, const char *folder);

/* The subcommands `siameseim report` and `siameseim check`: argv[0] is the subcommand's name; they return the
 * exit status and print their own errors.  The texts are for main's table of commands
 * (ablations/driver/command.h). */
int sim_results_main(int argc, char **argv);
extern const char sim_results_summary[], sim_results_help[];
int sim_check_main(int argc, char **argv);
extern const char sim_check_summary[], sim_check_help[];

#endif
