/* A folder of class folders of images, as torchvision's ImageFolder reads it. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "catalogue.h"

enum {
    DEPTH = 16,          /* of folders; deeper is taken for a mistake */
    TWICE_LINKED = 10000 /* folders behind two links or more: a few such links can make folders without end */
};

/* A folder that is being read, and how many symbolic links led to it. */
struct above {
    dev_t device;
    ino_t inode;
    int links;
};

struct walk {
    struct sim_catalogue catalogue;
    const char *root;
    struct above above[DEPTH + 1]; /* the folder at each depth of the path */
    int64_t twice_linked;
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

/* Steps into the folder at `full`, whose status is `s`: not into one that is being read already, nor too
 * deep, nor through links that multiply. */
static sim_status step_into(struct walk *w, const char *full, const struct stat *s, int depth)
{
    struct stat link;
    if (depth > DEPTH)
        return sim_fail(SIM_EINVAL, "%s: folders nested deeper than %d at %s", w->root, (int)DEPTH, full);
    for (int d = 0; d < depth; d++)
        if (w->above[d].device == s->st_dev && w->above[d].inode == s->st_ino)
            return sim_fail(SIM_EINVAL, "%s: a loop of links: %s is a folder that it lies in", w->root, full);
    int linked = depth > 0 && lstat(full, &link) == 0 && S_ISLNK(link.st_mode);
    w->above[depth] =
        (struct above){s->st_dev, s->st_ino, linked + (depth > 0 ? w->above[depth - 1].links : 0)};
    if (w->above[depth].links < 2 || ++w->twice_linked <= TWICE_LINKED) return SIM_OK;
    return sim_fail(
        SIM_EINVAL,
        "%s: more than %d folders lie behind links within links, the last at %s: do links lead to the "
        "same folders again and again?",
        w->root, (int)TWICE_LINKED, full);
}

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
        SIM_TRY(step_into(w, full, &s, depth + 1));
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

sim_status sim_folder_list(struct sim_catalogue *c, const char *path, char **prefix)
{
    char *root = strdup(path);
    *prefix = NULL;
    for (size_t n = root ? strlen(root) : 0; n > 1 && root[n - 1] == '/'; n--) root[n - 1] = 0;
    if (!root || asprintf(prefix, "%s/", root) < 0) {
        free(root);
        return sim_fail(SIM_ENOMEM, "no memory for a path");
    }
    struct walk w = {.root = root};
    struct stat s;
    sim_status status = stat(root, &s) == 0 ? step_into(&w, root, &s, 0) : SIM_OK; /* else scan says why */
    if (status == SIM_OK) status = scan(&w, "", 0);
    *c = w.catalogue;
    free(root);
    return status;
}

sim_status sim_folder_open(struct sim_images *out, const char *path)
{
    return sim_catalogue_open(out, path, sim_folder_list);
}
