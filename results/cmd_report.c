/* The subcommand `report`. */
#include <getopt.h>
#include <stdio.h>

#include "report.h"

const char sim_results_summary[] = "verdicts, tables and plots from records, as a page";

const char sim_results_help[] =
    "usage: siameseim report RECORDS... --out DIR [--experiment NAME] [--paper FOLDER]\n"
    "\n"
    "Reads records (records.jsonl, or a folder that holds one) and writes to DIR:\n"
    "  index.html               the whole report as one page: methods beside each other, questions,\n"
    "                           verdicts, plots, tables, origins\n"
    "  table.md, .tex, .csv     a row per run, its seeds merged, and where every row comes from\n"
    "  comparison.csv           of experiments with several objectives: every method's scores and compute\n"
    "  claims.csv               every claim with its difference, interval, p-values and verdict\n"
    "  sweep-AXIS, loss, scores, cost: .svg, .png and the data as .csv\n"
    "  tables/main.md, .csv, .tex  with --paper: our methods in the form of its main table, its claims by\n"
    "                           our records, and where we stand on each column\n"
    "Verdicts and tables are printed as well.  The same records give the same files, byte for byte.\n"
    "\n"
    "  --out DIR           made when absent\n"
    "  --experiment NAME   only the records of this experiment; else every experiment gets its own plots\n"
    "  --paper FOLDER      the paper's numbers beside ours, from the CSV files of this folder\n"
    "\n"
    "example: siameseim report runs/quickstart runs/more/records.jsonl --paper paper --out report\n";

static int usage(const char *sentence, const char *word)
{
    fprintf(stderr, "siameseim report: %s%s; siameseim report --help tells more\n", sentence, word);
    return 2;
}

int sim_results_main(int argc, char **argv)
{
    static const struct option options[] = {{"out", required_argument, NULL, 'o'},
                                            {"experiment", required_argument, NULL, 'e'},
                                            {"paper", required_argument, NULL, 'p'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    const char *out = NULL, *experiment = NULL, *paper = NULL;
    int option;
    optind = 0; /* glibc: start afresh, whatever was parsed before */
    while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(sim_results_help, stdout);
            return 0;
        }
        if (option == 'o') out = optarg;
        if (option == 'e') experiment = optarg;
        if (option == 'p') paper = optarg;
        if (option == ':') return usage("a value is missing behind ", argv[optind - 1]);
        if (option == '?') return usage("unknown option ", argv[optind - 1]);
    }
    if (optind == argc) return usage("no records given", "");
    if (!out) return usage("--out DIR is missing: where the table and the plots go", "");
    if (sim_results_report_beside((const char *const *)argv + optind, argc - optind, out, experiment, paper,
                                  stdout) == SIM_OK)
        return 0;
    fflush(stdout);
    fprintf(stderr, "siameseim report: %s\n", sim_error_text());
    return 1;
}
