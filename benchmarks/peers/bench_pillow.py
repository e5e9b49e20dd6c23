"""The operations of bench_images.c with Pillow and torchvision, on the inputs that `bench_images FOLDER` wrote.

    python3 bench_pillow.py FOLDER

Prints the same JSON lines; equal crc32 means equal pixels (with pillow==9.4.0), and then the speeds are comparable.
One thread; the speed is that of the best of ROUNDS rounds, per second of the thread's processor time.
"""
import io
import json
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import PIL
import torch
import torchvision.transforms.functional as TF
from PIL import Image, ImageFilter, ImageOps

SIZE, ROUNDS, ROUND_S = 224, 7, 0.15
BICUBIC = TF.InterpolationMode.BICUBIC
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
JITTER = (TF.adjust_brightness, TF.adjust_contrast, TF.adjust_saturation, TF.adjust_hue)


def decode(jpeg):
    return Image.open(io.BytesIO(jpeg)).convert("RGB")


def make_view(image, v):
    if v["flip"]:
        image = TF.hflip(image)
    image = TF.resized_crop(image, *v["crop"], [SIZE, SIZE], BICUBIC)
    if v["jitter"]:
        for k in v["order"]:
            image = JITTER[k](image, v["factor"][k])
    if v["grayscale"]:
        image = TF.to_grayscale(image, 3)
    if v["blur"]:
        image = image.filter(ImageFilter.GaussianBlur(v["sigma"]))
    if v["solarize"]:
        image = ImageOps.solarize(image)
    return TF.normalize(TF.to_tensor(image), MEAN, STD)


def jitter(image):
    for operation, factor in zip(JITTER, (1.3, 0.7, 1.15, -0.07)):
        image = operation(image, factor)
    return image


def two_views(jpeg, pair):
    image = decode(jpeg)
    return make_view(image, pair[0]), make_view(image, pair[1])


def measure(name, operation, pairs):
    crc = 0
    for pair in pairs:
        made = operation(pair)
        for part in made if isinstance(made, tuple) else (made,):
            crc = zlib.crc32(np.asarray(part).tobytes(), crc)
    best = 0
    for _ in range(ROUNDS):
        start, done, took = time.thread_time(), 0, 0
        while took < ROUND_S:
            for pair in pairs:
                operation(pair)
            done += len(pairs)
            took = time.thread_time() - start
        best = max(best, done / took)
    print(json.dumps({"op": name, "images_per_s": round(best, 1), "crc32": f"{crc:08x}", "pillow": PIL.__version__}),
          flush=True)


def main():
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    jpeg = (folder / "photo.jpg").read_bytes()
    pairs = json.loads((folder / "views.json").read_text())
    photo = decode(jpeg)
    view = TF.resized_crop(photo, 40, 60, 275, 366, [SIZE, SIZE], BICUBIC)
    measure("decode", lambda pair: decode(jpeg), pairs)
    measure("crop_resize", lambda pair: TF.resized_crop(photo, *pair[0]["crop"], [SIZE, SIZE], BICUBIC), pairs)
    measure("jitter", lambda pair: jitter(view), pairs)
    measure("blur", lambda pair: view.filter(ImageFilter.GaussianBlur(1.0)), pairs)
    measure("two_views", lambda pair: two_views(jpeg, pair), pairs)


if __name__ == "__main__":
    main()
