/* What a packing that was cut off left behind. */
#include <stdio.h>

#include "pack_write_parts.h"

sim_status sim_pack_journal_read(const char *path, uint64_t key, uint64_t data_bytes, int64_t count,
                                 struct sim_pack_kept *kept, int64_t *done)
{
    uint64_t found = 0, used = 0;
    *done = 0;
    FILE *f = fopen(path, "rbe");
    if (!f) return SIM_OK;
    if (fread(&found, sizeof found, 1, f) == 1 && found == key) {
        int64_t n = (int64_t)fread(kept, sizeof *kept, (size_t)count, f);
        /* A power cut may leave zeros where the last entries were to stand. */
        while (*done < n && kept[*done].checksum && kept[*done].bytes <= data_bytes - used)
            used += kept[(*done)++].bytes;
    }
    int failed = ferror(f);
    fclose(f);
    return failed ? sim_fail(SIM_EIO, "%s: cannot read", path) : SIM_OK;
}
