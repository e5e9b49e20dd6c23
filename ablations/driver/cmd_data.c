/* siameseim data: sets of images, packed, described, checked, shown. */
#include "cmd_data.h"

#include <omp.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "nearest.h"
#include "options.h"

static const char help[] =
    "usage: siameseim data pack SRC OUT.pack [options]\n"
    "       siameseim data info SET [--classes]\n"
    "       siameseim data verify SET.pack [--decode] [--workers N]\n"
    "       siameseim data show SET OUT.png [options]\n"
    "\n"
    "A pack is one file that holds a whole set: class names, an index, the images' own JPEG or PNG files, "
    "and a\n"
    "checksum of each.  It is mapped, not read: a million images are open in an instant, every image is one\n"
    "stretch of the disk, and bytes that are not those that were packed are noticed when they are used.  A "
    "run\n"
    "takes it as it takes folders and archives:\n"
    "\n"
    "  siameseim run FILE.yaml --out DIR --set data.kind=folder --set data.train=train.pack --set "
    "data.val=val.pack\n"
    "\n"
    "Files packed as they are make the same set as the folder they come from: same order, same manifest hash "
    "in\n"
    "the record, same run.  datasets/fetch.sh downloads the public sets.\n"
    "\n"
    "pack: SRC is one of\n"
    "  DIR                              CLASS/IMAGE below it; also CLASS/.../IMAGE, as in Tiny-ImageNet's "
    "train\n"
    "  ARCHIVE.tar[.gz|.xz|.zst][:DIR]  such folders in an archive, as far as half of the memory holds them\n"
    "  ILSVRC2012_img_train.tar         a CLASS.tar for each class, in a tar or in a folder; nothing is "
    "unpacked\n"
    "  ILSVRC2012_img_val.tar           images without classes, in a tar or in a folder; needs --labels\n"
    "  cifar-10-binary.tar.gz           CIFAR-10 or CIFAR-100, \"binary version\", as archive or folder;\n"
    "                                   every image becomes a PNG\n"
    "  train-images-idx3-ubyte[.gz]     MNIST's form, or a folder of its files; every image becomes a PNG\n"
    "  OTHER.pack                       to make its images smaller\n"
    "\n"
    "  --val             of CIFAR and of a folder of MNIST's files: the test images\n"
    "  --labels FILE     for images without classes; lines are CLASS, in the order of the images' names, or\n"
    "                    NAME CLASS (Tiny-ImageNet's val_annotations.txt, Kaggle's LOC_val_solution.csv); "
    "for idx:\n"
    "                    the idx1 file, if it does not lie beside the other\n"
    "  --synsets FILE    where the labels are numbers, as in the devkit's "
    "ILSVRC2012_validation_ground_truth.txt:\n"
    "                    the devkit's meta.mat, lines of CLASS NUMBER (map_clsloc.txt), or lines of CLASS in "
    "the\n"
    "                    order of the numbers.  The devkit's numbers do not follow the alphabet!\n"
    "  --short-side N    images whose shorter side is longer are made smaller (bicubic) and become JPEG; "
    "marks,\n"
    "                    profiles and orientation of the file are not kept.  Without it files go in as they "
    "are\n"
    "  --quality Q       of that JPEG (default 90); it stands in the pack, and `info` says it\n"
    "  --keep-damaged    an image that cannot be decoded, and so not be made smaller, goes in as it is;\n"
    "                    without it, it is named and ends the packing\n"
    "  --anew            replace OUT.pack, forget what an earlier start left\n"
    "  --workers N       threads (default: one for each core)\n"
    "\n"
    "Stopped at any moment, even by a power cut, the same command goes on from OUT.pack.partial, and "
    "OUT.pack has\n"
    "the same bytes as if it had never been stopped, as long as SRC's files are what they were (their names "
    "and\n"
    "sizes are compared, not their bytes).  OUT.pack is there when it is whole, and not before.\n"
    "\n"
    "info: how many images and classes, bytes, form, hashes.  SET is whatever data.train takes.\n"
    "  --classes         also each class: label, images, name\n"
    "\n"
    "verify: every checksum.  Names each damaged image; the exit status is 1 if there is any.\n"
    "  --decode          decode each image too, which finds those that were damaged before they were packed\n"
    "\n"
    "show: a contact sheet.  SET is whatever data.train takes.\n"
    "  --classes N       rows, spread over all classes (default 10)\n"
    "  --images N        of each class (default 8), drawn by --seed S (default 0)\n"
    "  --size N          side of each, pixels (default 96)\n"
    "\n"
    "example: siameseim data pack ILSVRC2012_img_train.tar train.pack --short-side 256\n"
    "         siameseim data pack ILSVRC2012_img_val.tar val.pack --short-side 256 \\\n"
    "             --labels ILSVRC2012_validation_ground_truth.txt --synsets meta.mat\n"
    "         siameseim data verify train.pack && siameseim data show train.pack sheet.png\n";

static const struct part {
    const char *name;
    sim_status (*run)(int argc, char **argv);
} parts[] = {{"pack", sim_data_pack_command},
             {"info", sim_data_info_command},
             {"verify", sim_data_verify_command},
             {"show", sim_data_show_command}};
enum { PARTS = sizeof parts / sizeof *parts };

sim_status sim_data_workers(const char *text, int *workers)
{
    int64_t n = omp_get_num_procs();
    if (text) SIM_TRY(sim_options_whole("--workers", text, 1, 256, &n));
    *workers = (int)n;
    return SIM_OK;
}

static sim_status unknown(const char *name)
{
    const char *names[PARTS];
    for (int i = 0; i < PARTS; i++) names[i] = parts[i].name;
    const char *near = sim_nearest(name, names, PARTS);
    return sim_fail(SIM_EINVAL, "there is no \"data %s\"%s%s; it is pack, info, verify or show, see --help",
                    name, near ? ", nearest: " : "", near ? near : "");
}

static int run_data_command(int argc, char **argv)
{
    sim_status status = SIM_EINVAL;
    int found = 0;
    for (int i = 0; i < PARTS && argc > 1; i++)
        if (strcmp(argv[1], parts[i].name) == 0) {
            found = 1;
            status = parts[i].run(argc - 1, argv + 1);
        }
    if (argc < 2)
        status = sim_fail(SIM_EINVAL, "pack, info, verify or show is needed; see --help");
    else if (!found)
        status = unknown(argv[1]);
    return status == SIM_OK ? 0 : sim_command_failed("data");
}

const struct sim_command sim_command_data = {
    "data", "pack a set of images into one file, describe it, check it, show it", help, run_data_command};
