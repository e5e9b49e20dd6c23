"""Writes tests/ops/pillow_pixels.txt: hashes of what Pillow 9.4 and torchvision make of images of noise, many sizes.

    python3 pillow_pixels.py > ../ops/pillow_pixels.txt      (needs pillow==9.4.0, torchvision, timm, numpy, xxhash)

golden/image_ops.safetensors holds pixels for a few cases of one image; this table covers odd sizes, wide blurs, flips,
random factors and every one of the 2^24 colours, in a line each: operation, image, parameters, XXH64 of the result.
"""
import sys

import numpy as np
import PIL
import torchvision
import torchvision.transforms.functional as TF
import xxhash
from timm.data import auto_augment as timm
from PIL import Image, ImageFilter

FILTERS = {"bilinear": TF.InterpolationMode.BILINEAR, "bicubic": TF.InterpolationMode.BICUBIC}


def noise(w, h, seed):
    """The bytes of the test's noise(): a hash of the byte's index."""
    u = np.arange(w * h * 3, dtype=np.uint64) * 2654435761 + seed * 40503 & 0xFFFFFFFF
    u ^= u >> 15
    u = u * 2246822519 & 0xFFFFFFFF
    u ^= u >> 13
    return (u & 255).astype(np.uint8).reshape(h, w, 3)


def line(result, *words):
    print(*words, xxhash.xxh64_hexdigest(np.ascontiguousarray(np.asarray(result)).tobytes()))


def crops(rng):
    sizes = [(1, 1), (1, 40), (40, 1), (2, 3), (16, 16), (17, 64), (97, 61), (500, 375), (640, 9)]
    for seed, (w, h) in enumerate(sizes):
        image = Image.fromarray(noise(w, h, seed))
        for case in range(8):
            ch, cw = int(rng.integers(1, h + 1)), int(rng.integers(1, w + 1))
            if case == 0:
                ch, cw = h, w
            i, j = int(rng.integers(0, h - ch + 1)), int(rng.integers(0, w - cw + 1))
            ow, oh = (224, 224) if case == 1 else (int(rng.integers(1, 80)), int(rng.integers(1, 80)))
            for name, mode in FILTERS.items():
                for flip in (0, 1):
                    source = TF.hflip(image) if flip else image
                    line(TF.resized_crop(source, i, j, ch, cw, [oh, ow], mode),
                         "crop_resize", w, h, seed, flip, i, j, ch, cw, ow, oh, name)


def blurs(rng):
    for seed, (w, h) in enumerate([(1, 1), (1, 33), (50, 1), (2, 2), (11, 7), (32, 32), (75, 40), (224, 224)]):
        image = Image.fromarray(noise(w, h, seed))
        for sigma in (0.0, 0.1, 0.7, 1.0, 1.3, 2.0, 3.7, 20.0, 63.1, 64.9, 150.0, float(rng.uniform(0.1, 2))):
            line(image.filter(ImageFilter.GaussianBlur(sigma)), "blur", w, h, seed, repr(sigma))


def colours(rng):
    apply = {"brightness": TF.adjust_brightness, "contrast": TF.adjust_contrast, "saturation": TF.adjust_saturation,
             "hue": TF.adjust_hue}
    for seed, (w, h) in enumerate([(1, 1), (5, 3), (16, 1), (17, 19), (61, 47)]):
        image = Image.fromarray(noise(w, h, seed))
        for name, function in apply.items():
            fixed = (-0.5, -0.31, 0.0, 0.5) if name == "hue" else (0.0, 0.6, 1.0, 2.5)
            for factor in (*fixed, *(float(f) for f in rng.uniform(-0.1, 0.1, 3) + (name != "hue"))):
                line(function(image, factor), name, w, h, seed, repr(factor))
        line(TF.to_grayscale(image, 3), "grayscale", w, h, seed)
    n = np.arange(1 << 24, dtype=np.uint32)
    every = Image.fromarray(np.stack([n >> 16, n >> 8 & 255, n & 255], -1).astype(np.uint8).reshape(4096, 4096, 3))
    line(TF.adjust_hue(every, 0.1), "hue", 4096, 4096, "every", 0.1)
    line(TF.adjust_hue(every, -0.37), "hue", 4096, 4096, "every", -0.37)
    line(TF.adjust_saturation(every, 1.17), "saturation", 4096, 4096, "every", 1.17)


def randaugment(rng):
    """timm's functions; images of seeds from 100 on have a quarter of the range, for what looks at histograms."""
    kw = {"resample": Image.BICUBIC, "fillcolor": (124, 116, 104)}
    sign = lambda high: float(rng.uniform(-high, high))
    apply = {"auto_contrast": (timm.auto_contrast, None), "equalize": (timm.equalize, None), "invert": (timm.invert, None),
             "rotate": (lambda im, v: timm.rotate(im, v, **kw), lambda: sign(200)),
             "posterize": (timm.posterize, lambda: int(rng.integers(0, 9))),
             "solarize": (timm.solarize, lambda: int(rng.integers(0, 257))),
             "solarize_add": (timm.solarize_add, lambda: int(rng.integers(0, 111))),
             "sharpness": (timm.sharpness, lambda: float(rng.uniform(0, 2.5))),
             "shear_x": (lambda im, v: timm.shear_x(im, v, **kw), lambda: sign(0.5)),
             "shear_y": (lambda im, v: timm.shear_y(im, v, **kw), lambda: sign(0.5)),
             "translate_x": (lambda im, v: timm.translate_x_rel(im, v, **kw), lambda: sign(0.6)),
             "translate_y": (lambda im, v: timm.translate_y_rel(im, v, **kw), lambda: sign(0.6))}
    for k, (w, h) in enumerate([(1, 1), (2, 5), (3, 3), (16, 1), (17, 19), (32, 32), (61, 47), (224, 224)]):
        for seed in (k, 100 + k):
            pixels = noise(w, h, seed)
            image = Image.fromarray(pixels if seed < 100 else pixels // 4 + 50)
            for name, (function, draw) in apply.items():
                values = [None] if draw is None else [draw() for _ in range(2)]
                for v in values + ([90, 180, -90, 360] if name == "rotate" else []):
                    line(function(image) if v is None else function(image, v), "ra." + name, w, h, seed, repr(v or 0))


def main():
    print(f"# Pillow {PIL.__version__}, torchvision {torchvision.__version__}; made by {sys.argv[0].split('/')[-1]}")
    print("# crop_resize W H SEED FLIP I J H W OUT_W OUT_H FILTER XXH64")
    print("# blur W H SEED SIGMA XXH64")
    print("# brightness|contrast|saturation|hue W H SEED FACTOR XXH64, grayscale W H SEED XXH64; SEED every: all colours")
    print("# ra.OPERATION W H SEED VALUE XXH64: RandAugment's; SEED from 100 on: a quarter of the range")
    rng = np.random.default_rng(5)
    crops(rng)
    blurs(rng)
    colours(rng)
    randaugment(np.random.default_rng(6))


if __name__ == "__main__":
    main()
