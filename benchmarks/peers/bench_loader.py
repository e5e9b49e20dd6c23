"""The peer of bench_data.c: two views of every image by Pillow and torchvision, in a PyTorch DataLoader.

    python3 bench_loader.py ARCHIVE_OR_FOLDER WORKERS BATCH SECONDS CONFIG

CONFIG is our configuration as JSON; its section augment says what is drawn.  The files' bytes are read once and kept, as
ours are; then the set is repeated.  Prints one JSON line: images made in about SECONDS, the wall time, and the processor
time of this process and its workers.  WORKERS 0: no loader, one image after another.
"""
import io
import json
import os
import random
import sys
import tarfile
import time
from pathlib import Path

import PIL
import torch
import torchvision
from PIL import Image, ImageFilter, ImageOps
from torchvision import transforms as T

REPEATS = 2000


def read_all(path):
    if Path(path).is_dir():
        return [f.read_bytes() for f in sorted(Path(path).rglob("*")) if f.is_file()]
    with tarfile.open(path) as archive:
        return [archive.extractfile(m).read() for m in archive if m.isfile()]


class Blur:
    def __init__(self, low, high):
        self.low, self.high = low, high

    def __call__(self, image):
        return image.filter(ImageFilter.GaussianBlur(random.uniform(self.low, self.high)))


def view(a, size, blur, solarize):
    return T.Compose([
        T.RandomHorizontalFlip(a["flip"]),
        T.RandomResizedCrop(size, (a["crop_min"], a["crop_max"]), (a["ratio_min"], 1 / a["ratio_min"]),
                            T.InterpolationMode.BICUBIC),
        T.RandomApply([T.ColorJitter(a["brightness"], a["contrast"], a["saturation"], a["hue"])], a["jitter"]),
        T.RandomGrayscale(a["grayscale"]),
        T.RandomApply([Blur(a["blur_sigma_min"], a["blur_sigma_max"])], blur),
        T.RandomApply([ImageOps.solarize], solarize),
        T.ToTensor(),
        T.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ])


class Set(torch.utils.data.Dataset):
    def __init__(self, files, config):
        a, size = config["augment"], config["model"]["img_size"]
        self.files = files
        self.first = view(a, size, a["blur1"], a["solarize1"])
        self.second = view(a, size, a["blur2"], a["solarize2"])

    def __len__(self):
        return len(self.files) * REPEATS

    def __getitem__(self, i):
        image = Image.open(io.BytesIO(self.files[i % len(self.files)])).convert("RGB")
        return self.first(image), self.second(image)


def cpu_of(process):
    """Seconds of user and system time so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main():
    path, workers, batch, seconds, config = sys.argv[1:]
    workers, batch, seconds = int(workers), int(batch), float(seconds)
    torch.set_num_threads(1)
    images = Set(read_all(path), json.loads(config))
    made = 0
    if workers == 0:
        start, cpu = time.monotonic(), time.process_time()
        while made % len(images.files) or time.monotonic() - start < seconds:
            images[made]
            made += 1
        wall, cpu = time.monotonic() - start, time.process_time() - cpu
    else:
        batches = iter(torch.utils.data.DataLoader(images, batch, shuffle=True, num_workers=workers, drop_last=True))
        next(batches)
        own = [w.pid for w in batches._workers] + ["self"]
        start, cpu = time.monotonic(), sum(map(cpu_of, own))
        while time.monotonic() - start < seconds:
            made += len(next(batches)[0])
        wall, cpu = time.monotonic() - start, sum(map(cpu_of, own)) - cpu
    print(json.dumps({"images": made, "wall_s": wall, "cpu_s": cpu,
                      "version": f"PyTorch {torch.__version__}, torchvision {torchvision.__version__}, Pillow {PIL.__version__}"}))


if __name__ == "__main__":
    main()
