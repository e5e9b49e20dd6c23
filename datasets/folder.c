/* A folder of class folders of images, as torchvision's ImageFolder reads it. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "catalogue.h"

enum { DEPTH = 16 }; /* of folders; deeper is taken for a loop of symbolic links */

struct walk {
    struct sim_catalogue catalogue;
    const char *root;
};

/* Does an unnamed kind of file begin like an image? */
static int begins_like_image(const char *full, const char *name)
{
    uint8_t head[SIM_HEAD_BYTES];
    FILE *f = fopen(full, "rb");
    size_t n = f ? fread(head, 1, sizeof head, f) : 0;
    if (f) fclose(f);
    return sim_catalogue_is_image(name, head, n) == 1;
}

static sim_status scan(struct walk *w, const char *relative, int depth);

/* One entry of a folder: `relative` is its path below the root. */
static sim_status take_entry(struct walk *w, const char *full, const char *relative, const char *name,
                             int depth)
{
    struct stat s;
    if (stat(full, &s) != 0) { /* a link that leads nowhere */
        sim_catalogue_leave_out(&w->catalogue, relative);
        return SIM_OK;
    }
    if (S_ISDIR(s.st_mode)) {
        if (depth == 0) SIM_TRY(sim_catalogue_add_class(&w->catalogue, name));
        return scan(w, relative, depth + 1);
    }
    int image = depth > 0 && S_ISREG(s.st_mode) ? sim_catalogue_is_image(name, NULL, 0) : 0;
    if (image < 0) image = begins_like_image(full, name);
    if (image) return sim_catalogue_add(&w->catalogue, relative, (uint64_t)s.st_size, NULL);
    sim_catalogue_leave_out(&w->catalogue, relative);
    return SIM_OK;
}

/* Names that begin with a dot are nobody's images. */
static sim_status scan(struct walk *w, const char *relative, int depth)
{
    char *folder = NULL, *full = NULL;
    sim_status status = SIM_OK;
    if (depth > DEPTH)
        return sim_fail(SIM_EINVAL, "%s: folders nested deeper than %d at %s; is there a loop of links?",
                        w->root, (int)DEPTH, relative);
    if (asprintf(&folder, "%s%s%s", w->root, *relative ? "/" : "", relative) < 0)
        return sim_fail(SIM_ENOMEM, "no memory for a path");
    DIR *dir = opendir(folder);
    if (!dir) status = sim_fail(SIM_EIO, "cannot read the folder %s: %s", folder, strerror(errno));
    while (status == SIM_OK) {
        errno = 0;
        struct dirent *entry = readdir(dir);
        if (!entry) {
            if (errno) status = sim_fail(SIM_EIO, "cannot read the folder %s: %s", folder, strerror(errno));
            break;
        }
        if (entry->d_name[0] == '.') continue;
        if (asprintf(&full, "%s/%s", folder, entry->d_name) < 0) {
            status = sim_fail(SIM_ENOMEM, "no memory for a path");
            break;
        }
        status = take_entry(w, full, full + strlen(w->root) + 1, entry->d_name, depth);
        free(full);
    }
    if (dir) closedir(dir);
    free(folder);
    return status;
}

sim_status sim_folder_open(struct sim_images *out, const char *path)
{
    memset(out, 0, sizeof *out);
    char *root = strdup(path), *prefix = NULL;
    if (!root || asprintf(&prefix, "%s/", path) < 0) {
        free(root);
        return sim_fail(SIM_ENOMEM, "no memory for a path");
    }
    for (size_t n = strlen(root); n > 1 && root[n - 1] == '/'; n--) root[n - 1] = 0;
    snprintf(prefix, strlen(path) + 2, "%s/", root);
    struct walk w = {.root = root};
    sim_status status = scan(&w, "", 0);
    if (status == SIM_OK) status = sim_catalogue_images(out, &w.catalogue, root, prefix);
    sim_catalogue_close(&w.catalogue);
    free(prefix);
    free(root);
    return status;
}
