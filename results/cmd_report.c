/* The subcommand `report`. */
#include <getopt.h>
#include <stdio.h>

#include "report.h"

const char sim_results_summary[] = "tables and plots from records";

const char sim_results_help[] =
    "usage: siameseim report RECORDS... --out DIR [--experiment NAME]\n"
    "\n"
    "Reads records (records.jsonl, or a folder that holds one) and writes to DIR:\n"
    "  table.md                 a row per run, its seeds merged, and where every row comes from\n"
    "  loss.svg, loss.png       training loss over epochs\n"
    "  scores.svg, scores.png   scores of the frozen encoder beside those of the untrained one\n"
    "The table is printed as well.  The same records give the same files, byte for byte.\n"
    "\n"
    "  --out DIR           made when absent\n"
    "  --experiment NAME   only the records of this experiment; else every experiment gets its own plots\n"
    "\n"
    "example: siameseim report runs/quickstart runs/more/records.jsonl --out report\n";

static int usage(const char *sentence, const char *word)
{
    fprintf(stderr, "siameseim report: %s%s; siameseim report --help tells more\n", sentence, word);
    return 2;
}

int sim_results_main(int argc, char **argv)
{
    static const struct option options[] = {{"out", required_argument, NULL, 'o'},
                                            {"experiment", required_argument, NULL, 'e'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    const char *out = NULL, *experiment = NULL;
    int option;
    optind = 0; /* glibc: start afresh, whatever was parsed before */
    while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(sim_results_help, stdout);
            return 0;
        }
        if (option == 'o') out = optarg;
        if (option == 'e') experiment = optarg;
        if (option == ':') return usage("a value is missing behind ", argv[optind - 1]);
        if (option == '?') return usage("unknown option ", argv[optind - 1]);
    }
    if (optind == argc) return usage("no records given", "");
    if (!out) return usage("--out DIR is missing: where the table and the plots go", "");
    if (sim_results_report((const char *const *)argv + optind, argc - optind, out, experiment, stdout) ==
        SIM_OK)
        return 0;
    fflush(stdout);
    fprintf(stderr, "siameseim report: %s\n", sim_error_text());
    return 1;
}
