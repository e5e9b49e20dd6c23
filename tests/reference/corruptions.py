"""Writes tests/datasets/corruptions.txt: what the libraries that ImageNet-C was made with make of a drawn picture.

    python3 corruptions.py > ../datasets/corruptions.txt
    python3 corruptions.py --beside-imagecorruptions SIAMESEIM    that program beside the PyPI package of that name

Needs numpy, scipy, scikit-image, opencv-python-headless and pillow==9.4.0 (tried: 1.24.4, 1.11.4, 0.22.0, 4.11.0); the
constants and formulae are those of the scripts in hendrycks/robustness, ImageNet-C/create_c, for 224, 64 and 32 px, put
down anew; ImageMagick's motion blur is written out.  Frost is left out: it is laid over from photographs.

Lines of the deterministic corruptions: pixels CORRUPTION CONSTANTS SEVERITY, then red, green and blue of SAMPLES places in
hexadecimal.  Of the others: moments CORRUPTION CONSTANTS SEVERITY DRAWS, then over all draws the mean value, the mean of
an image's variance, and the mean square of the change, in levels of 0 to 255, each followed by its standard error.
"""
import io
import subprocess
import sys
import tempfile

import cv2
import numpy as np
from PIL import Image
from scipy import ndimage
from skimage.color import hsv2rgb, rgb2hsv
from skimage.filters import gaussian

SAMPLES = 96
SETS = {"224": 0, "64": 1, "32": 2}
SIDES = {"224": 224, "64": 64, "32": 32}       # of the picture for deterministic corruptions
SIDES_RANDOM = {"224": 64, "64": 64, "32": 32}  # and for the others: statistics need many draws


def picture(side):
    """Ramps in a chequerboard, a disk on top; whole numbers only, so that C draws the same."""
    y, x = np.mgrid[0:side, 0:side]
    ramps = [x * 255 // (side - 1), y * 255 // (side - 1), (x + y) * 255 // (2 * side - 2)]
    chequer = (x * 8 // side + y * 8 // side) % 2 == 1
    disk = (4 * x - 2 * side) ** 2 + (4 * y - 2 * side) ** 2 < side * side
    planes = [np.where(chequer, 255 - r // 2, r // 3 + 20) for r in ramps]
    return np.stack([np.where(disk, 40 + 60 * k, p) for k, p in enumerate(planes)], -1).astype(np.uint8)


def places(side):
    return np.arange(SAMPLES, dtype=np.uint64) * 2654435761 % (1 << 32) % (side * side)


def pick(table, s, level):
    return table[SETS[s]][level]


def to_bytes(x):
    return np.uint8(np.clip(x, 0, 1) * 255)


# ---------------------------------------------------------------- deterministic
def defocus_blur(x, s, level, rng):
    radius, alias = pick([[(3, .1), (4, .5), (6, .5), (8, .5), (10, .5)], [(.5, .6), (1, .1), (1.5, .1), (2.5, .01), (3, .1)],
                          [(.3, .4), (.4, .5), (.5, .6), (1, .2), (1.5, .1)]], s, level)
    reach, points = (8, 3) if radius <= 8 else (radius, 5)
    line = np.arange(-reach, reach + 1)
    kernel = (line[:, None] ** 2 + line ** 2 <= radius ** 2).astype(np.float32)
    kernel = cv2.GaussianBlur(kernel / kernel.sum(), (points, points), alias)
    return to_bytes(cv2.filter2D(x / 255., -1, kernel))


def zoomed(x, z):
    """The middle of the square x, enlarged to its size."""
    n = x.shape[0]
    part = int(np.ceil(n / z))
    at = (n - part) // 2
    large = ndimage.zoom(x[at:at + part, at:at + part], (z, z) + (1,) * (x.ndim - 2), order=1)
    trim = (large.shape[0] - n) // 2
    return large[trim:trim + n, trim:trim + n]


def zoom_blur(x, s, level, rng):
    end, step = pick([[(1.11, .01), (1.16, .01), (1.21, .02), (1.26, .02), (1.31, .03)]] +
                     2 * [[(1.06, .01), (1.11, .01), (1.16, .01), (1.21, .01), (1.26, .01)]], s, level)
    x = (x / 255.).astype(np.float32)
    factors = np.arange(1, end, step)
    return to_bytes((x + sum(zoomed(x, z) for z in factors)) / (len(factors) + 1))


def brightness(x, s, level, rng):
    more = pick(2 * [[.1, .2, .3, .4, .5]] + [[.05, .1, .15, .2, .3]], s, level)
    hsv = rgb2hsv(x / 255.)
    hsv[..., 2] = np.clip(hsv[..., 2] + more, 0, 1)
    return to_bytes(hsv2rgb(hsv))


def contrast(x, s, level, rng):
    share = pick(2 * [[.4, .3, .2, .1, .05]] + [[.75, .5, .4, .3, .15]], s, level)
    mean = (x / 255.).mean((0, 1))
    return to_bytes((x / 255. - mean) * share + mean)


def pixelate(x, s, level, rng):
    share = pick([[.6, .5, .4, .3, .25], [.9, .8, .7, .6, .5], [.95, .9, .85, .75, .65]], s, level)
    n = x.shape[0]
    small = Image.fromarray(x).resize((int(n * share), int(n * share)), Image.BOX)
    return np.asarray(small.resize((n, n), Image.BOX))


def jpeg_compression(x, s, level, rng):
    quality = pick([[25, 18, 15, 10, 7], [65, 58, 50, 40, 25], [80, 65, 58, 50, 40]], s, level)
    file = io.BytesIO()
    Image.fromarray(x).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


# ---------------------------------------------------------------- random
def gaussian_noise(x, s, level, rng):
    c = pick([[.08, .12, .18, .26, .38], [.04, .08, .12, .15, .18], [.04, .06, .08, .09, .10]], s, level)
    return to_bytes(x / 255. + rng.normal(size=x.shape, scale=c))


def shot_noise(x, s, level, rng):
    c = pick([[60, 25, 12, 5, 3], [250, 100, 50, 30, 15], [500, 250, 100, 75, 50]], s, level)
    return to_bytes(rng.poisson(x / 255. * c) / c)


def impulse_noise(x, s, level, rng):
    c = pick([[.03, .06, .09, .17, .27], [.01, .02, .05, .08, .14], [.01, .02, .03, .05, .07]], s, level)
    hit, salt = rng.random(x.shape) < c, rng.random(x.shape) < .5
    return np.where(hit, np.where(salt, 255, 0), x).astype(np.uint8)


def glass_blur(x, s, level, rng):
    sigma, delta, times = pick([[(.7, 1, 2), (.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)],
                                [(.1, 1, 1), (.5, 1, 1), (.6, 1, 2), (.7, 2, 1), (.9, 2, 2)],
                                [(.05, 1, 1), (.25, 1, 1), (.4, 1, 1), (.25, 1, 2), (.4, 1, 2)]], s, level)
    x = np.uint8(gaussian(x / 255., sigma=sigma, channel_axis=-1) * 255)
    n = x.shape[0]
    for _ in range(times):
        by = rng.integers(-delta, delta, size=(n, n, 2)).tolist()
        for row in range(n - delta, delta, -1):
            for column in range(n - delta, delta, -1):
                dx, dy = by[row][column]
                x[row, column] = x[row + dy, column + dx]
    return to_bytes(gaussian(x / 255., sigma=sigma, channel_axis=-1))


TURNS = 0


def turn(rng, low, high):
    """An angle; a hundred in a row fall into a hundredth of the range each, for the sake of the statistics."""
    global TURNS
    TURNS += 1
    return low + (high - low) * (TURNS % 100 + rng.uniform()) / 100


def motion(x, radius, sigma, angle):
    """ImageMagick's motion blur of bytes."""
    i = np.arange(2 * radius + 1)
    weight = np.exp(-i ** 2 / (2. * sigma ** 2))
    weight /= weight.sum()
    right = np.ceil(i * np.cos(np.deg2rad(angle)) - .5).astype(int)
    down = np.ceil(i * np.sin(np.deg2rad(angle)) - .5).astype(int)
    h, w = x.shape[:2]
    return np.rint(sum(k * x[np.clip(np.arange(h) + dy, 0, h - 1)][:, np.clip(np.arange(w) + dx, 0, w - 1)].astype(float)
                       for k, dx, dy in zip(weight, right, down))).astype(np.uint8)


def motion_blur(x, s, level, rng):
    radius, sigma = pick([[(10, 3), (15, 5), (15, 8), (15, 12), (20, 15)], [(10, 1), (10, 1.5), (10, 2), (10, 2.5), (12, 3)],
                          [(6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)]], s, level)
    return motion(x, radius, sigma, turn(rng, -45, 45))


def snow(x, s, level, rng):
    mean, deviation, zoom, threshold, radius, sigma, keep = pick(
        [[(.1, .3, 3, .5, 10, 4, .8), (.2, .3, 2, .5, 12, 4, .7), (.55, .3, 4, .9, 12, 8, .7), (.55, .3, 4.5, .85, 12, 8, .65),
          (.55, .3, 2.5, .85, 12, 12, .55)],
         [(.1, .2, 1, .6, 8, 3, .8), (.1, .2, 1, .5, 10, 4, .8), (.15, .3, 1.75, .55, 10, 4, .7), (.25, .3, 2.25, .6, 12, 6, .65),
          (.3, .3, 1.25, .65, 14, 12, .6)],
         [(.1, .2, 1, .6, 8, 3, .95), (.1, .2, 1, .5, 10, 4, .9), (.15, .3, 1.75, .55, 10, 4, .9), (.25, .3, 2.25, .6, 12, 6, .85),
          (.3, .3, 1.25, .65, 14, 12, .8)]], s, level)
    x = np.float32(x) / 255
    layer = zoomed(rng.normal(size=x.shape[:2], loc=mean, scale=deviation), zoom)
    layer = np.where(layer < threshold, 0, layer)
    layer = motion(to_bytes(layer), radius, sigma, turn(rng, -135, -45))[..., None] / 255.
    white = cv2.cvtColor(x, cv2.COLOR_RGB2GRAY)[..., None] * 1.5 + .5
    return to_bytes(keep * x + (1 - keep) * np.maximum(x, white) + layer + np.rot90(layer, 2))


def plasma(side, decay, rng):
    """Diamond-square on a torus."""
    m = np.zeros((side, side))
    step, wibble = side, 100.

    def put(rows, columns, total):
        m[rows, columns] = total / 4 + wibble * rng.uniform(-wibble, wibble, total.shape)
    while step >= 2:
        half = step // 2
        on, off = slice(0, None, step), slice(half, None, step)
        corners = m[on, on]
        rows = corners + np.roll(corners, -1, 0)
        put(off, off, rows + np.roll(rows, -1, 1))
        centres = m[off, off]
        put(on, off, corners + np.roll(corners, -1, 1) + centres + np.roll(centres, 1, 0))
        put(off, on, corners + np.roll(corners, -1, 0) + centres + np.roll(centres, 1, 1))
        step, wibble = half, wibble / decay
    return (m - m.min()) / (m.max() - m.min())


def fog(x, s, level, rng):
    amount, decay = pick([[(1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)], [(.4, 3), (.7, 3), (1, 2.5), (1.5, 2), (2, 1.75)],
                          [(.2, 3), (.5, 3), (.75, 2.5), (1, 2), (1.5, 1.75)]], s, level)
    n, top = x.shape[0], x.max() / 255.
    side = 1 << (n - 1).bit_length()
    return to_bytes((x / 255. + amount * plasma(side, decay, rng)[:n, :n, None]) * top / (top + amount))


def elastic_transform(x, s, level, rng):
    unit = {"224": 244, "64": 64, "32": 32}[s]
    alpha, sigma, jitter = (unit * v for v in pick(
        [[(2, .7, .1), (2, .08, .2), (.05, .01, .02), (.07, .01, .02), (.12, .01, .02)],
         [(0, 0, .08), (.05, .3, .06), (.1, .08, .06), (.1, .03, .03), (.16, .03, .02)],
         [(0, 0, .08), (.05, .2, .07), (.08, .06, .06), (.1, .04, .05), (.1, .03, .03)]], s, level))
    n = x.shape[0]
    x = np.float32(x) / 255
    middle, third = n // 2, n // 3
    before = np.float32([[middle + third, middle + third], [middle + third, middle - third], [middle - third, middle - third]])
    after = before + rng.uniform(-jitter, jitter, before.shape).astype(np.float32)
    x = cv2.warpAffine(x, cv2.getAffineTransform(before, after), (n, n), borderMode=cv2.BORDER_REFLECT_101)
    dx, dy = (gaussian(rng.uniform(-1, 1, (n, n)), sigma, mode="reflect", truncate=3) * alpha for _ in range(2))
    rows, columns = np.mgrid[0:n, 0:n]
    return to_bytes(np.stack([ndimage.map_coordinates(x[..., k], (rows + dy, columns + dx), order=1, mode="reflect")
                              for k in range(3)], -1))


DETERMINISTIC = (defocus_blur, zoom_blur, brightness, contrast, pixelate, jpeg_compression)
RANDOM = {gaussian_noise: 40, shot_noise: 40, impulse_noise: 600, glass_blur: 40, motion_blur: 100, snow: 400, fog: 2000,
          elastic_transform: 800}


def moments(make, x, draws, rng):
    rows = []
    for _ in range(draws):
        y = make(x, rng).astype(float)
        rows.append((y.mean(), y.var(), ((y - x) ** 2).mean()))
    return np.mean(rows, 0), np.std(rows, 0) / np.sqrt(draws)


# ---------------------------------------------------------------- beside the package imagecorruptions

# elastic_transform is another formula there.
BESIDE = {gaussian_noise: 20, shot_noise: 20, impulse_noise: 20, defocus_blur: 1, glass_blur: 2, motion_blur: 600,
          zoom_blur: 1, snow: 120, fog: 300, brightness: 1, contrast: 1, pixelate: 1, jpeg_compression: 1}


class Program:
    """The picture as `siameseim corrupt` makes it, another draw with every call."""

    def __init__(self, program, folder, x):
        self.program, self.clean, self.corrupted, self.index = program, folder + "/clean.png", folder + "/corrupted.png", 0
        Image.fromarray(x).save(self.clean)

    def corrupt(self, name, severity):
        subprocess.run([self.program, "corrupt", name, str(severity), self.clean, self.corrupted, "--index", str(self.index)],
                       check=True, stdout=subprocess.DEVNULL)
        self.index += 1
        return np.asarray(Image.open(self.corrupted))


def pixels_beside(here, there):
    """Largest difference in levels, and the share of values that differ by more than one."""
    apart = np.abs(here.astype(int) - there)
    return "%d" % apart.max() if apart.max() <= 1 else "%d (%.2g %% above 1)" % (apart.max(), 100 * (apart > 1).mean())


def moments_beside(here, there):
    """By how many per cent mean and variance differ, each with its standard error."""
    (a, a_error), (b, b_error) = here, there
    cells = zip(a, b, np.hypot(a_error, b_error))
    return ", ".join("%+.1f ± %.1f" % (100 * (u / v - 1), 100 * e / v) for u, v, e in list(cells)[:2])


def beside_imagecorruptions(program):
    """One line a corruption, a cell a severity."""
    import imagecorruptions
    x = picture(224)
    np.random.seed(1)
    with tempfile.TemporaryDirectory() as folder:
        ours = Program(program, folder, x)
        for corruption, draws in BESIDE.items():
            name, cells = corruption.__name__, []
            for severity in range(1, 6):
                here = lambda x, rng: ours.corrupt(name, severity)
                there = lambda x, rng: imagecorruptions.corrupt(x, severity, name)
                cells.append(pixels_beside(here(x, None), there(x, None)) if draws == 1 else
                             moments_beside(moments(here, x, draws, None), moments(there, x, draws, None)))
            print("|", name, "|", draws, "|", " | ".join(cells), "|", flush=True)


def main():
    rng = np.random.default_rng(0)
    for s in SETS:
        for corruption in DETERMINISTIC:
            x = picture(SIDES[s])
            for level in range(5):
                y = corruption(x, s, level, rng).reshape(-1, 3)
                print("pixels", corruption.__name__, s, level + 1, y[places(SIDES[s])].tobytes().hex())
        for corruption, draws in RANDOM.items():
            x = picture(SIDES_RANDOM[s])
            for level in range(5):
                values, errors = moments(lambda x, r: corruption(x, s, level, r), x, draws, rng)
                print("moments", corruption.__name__, s, level + 1, draws,
                      *("%.6g %.2g" % v for v in zip(values, errors)), flush=True)


if __name__ == "__main__":
    beside_imagecorruptions(sys.argv[2]) if sys.argv[1:2] == ["--beside-imagecorruptions"] else main()
