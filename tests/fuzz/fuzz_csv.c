/* The CSV files of the paper room: no text does harm, and every row of an accepted file has all its fields.
 */
#include <string.h>
#include <unistd.h>

#include "csv.h"
#include "seeds.h"

static const char *const columns[] = {"id", "text", "value", NULL};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char *const texts[] = {
        "id,text,value\na,\"words, and \"\"more\"\"\",1.5\n\nb,,\n",
        "\xef\xbb\xbfid,text,value\r\na,\"two\nlines\",3",
        "id,text,other\n",
        "id,text,value\na,b\n",
        "id,text,value\na,\"b",
    };
    char name[] = "0";
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++, name[0]++)
        fuzz_seed(*argc, *argv, name, texts[i], strlen(texts[i]));
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    char path[FUZZ_PATH_BYTES];
    struct sim_csv table;
    int fd = fuzz_memory_file(bytes, count, path);
    if (sim_csv_read(&table, path, columns) == SIM_OK) {
        for (int64_t i = 0; i < table.count; i++) {
            FUZZ_CHECK(table.rows[i].line > (i ? table.rows[i - 1].line : 1));
            for (int k = 0; k < table.columns; k++) FUZZ_CHECK(strlen(table.rows[i].fields[k]) <= count);
        }
    } else {
        FUZZ_CHECK(strstr(sim_error_text(), path) != NULL);
    }
    sim_csv_close(&table);
    close(fd);
    return 0;
}
