"""Writes tests/datasets/pillow_hashes.txt: what Pillow 9.4 makes of every file in the shared archives of images.

    python3 pillow_hashes.py FOLDER > ../datasets/pillow_hashes.txt     (needs pillow==9.4.0, xxhash)

FOLDER holds the archives named below.  One line per member: archive, member, width, height, XXH64 of convert("RGB"), or
"error" where Pillow raises or the file is neither JPEG nor PNG.
"""
import io
import sys
import tarfile
import warnings
from pathlib import Path

import PIL
import xxhash
from PIL import Image, features

ARCHIVES = ("jpeg.tar.xz", "pngsuite.tar.xz", "imagenet_samples.tar.xz")

# Pillow 9.4 gives up on a JPEG whose EXIF block is cut short, which it reads only for the resolution.  The pixels do
# not depend on it and later versions decode such files, so here EXIF is left unread.
Image.Exif.load = lambda self, data: None


def row(data):
    try:
        image = Image.open(io.BytesIO(data), formats=("JPEG", "PNG"))
        rgb = image.convert("RGB")
    except Exception:  # whatever Pillow raises, the file is refused
        return "0 0 error"
    return f"{rgb.width} {rgb.height} {xxhash.xxh64_hexdigest(rgb.tobytes())}"


def main():
    warnings.simplefilter("ignore")
    print(f"# Pillow {PIL.__version__}, libjpeg-turbo {features.version('libjpeg_turbo')}, "
          f"zlib {features.version('zlib')}; made by pillow_hashes.py")
    print("# archive member width height XXH64(RGB) | error")
    for name in ARCHIVES:
        with tarfile.open(Path(sys.argv[1]) / name) as archive:
            for member in archive:
                if member.isfile():
                    print(name, member.name, row(archive.extractfile(member).read()))


if __name__ == "__main__":
    main()
