"""Writes tests/datasets/corners: one small file for every corner of JPEG and PNG that image sets are known to hold, and
tests/datasets/corner_hashes.txt: what Pillow 9.4 makes of each.

    python3 corner_images.py ../datasets      (needs pillow==9.4.0, xxhash, and cjpeg of libjpeg-turbo-progs)

One line per file: name, then width, height and XXH64 of convert("RGB"), or "0 0 error" where Pillow refuses it, then the
same of ImageOps.exif_transpose(...).convert("RGB").
"""
import io
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import xxhash
from PIL import Image, ImageCms, ImageOps

W, H = 37, 23
RGB = Image.frombytes("RGB", (W, H), bytes(
    v for y in range(H) for x in range(W) for v in ((x * 6) % 256, (y * 11) % 256, (x * y) % 256)))
FILES = {}


# ---------------------------------------------------------------- JPEG
def jpeg(image=RGB, **options):
    out = io.BytesIO()
    image.save(out, "JPEG", **{"quality": 90, **options})
    return out.getvalue()


def cjpeg(*options):
    ppm = b"P6 %d %d 255\n" % (W, H) + RGB.tobytes()
    return subprocess.run(["cjpeg", "-quality", "90", *options], input=ppm, stdout=subprocess.PIPE, check=True).stdout


def segments(data):
    """(marker, bytes of the segment) up to the first scan, and the rest."""
    at, found = 2, []
    while data[at + 1] != 0xDA:
        size = struct.unpack(">H", data[at + 2:at + 4])[0] + 2
        found.append((data[at + 1], data[at:at + size]))
        at += size
    return found, data[at:]


def joined(found, rest):
    return b"\xff\xd8" + b"".join(s for _, s in found) + rest


def without(data, *markers):
    found, rest = segments(data)
    return joined([s for s in found if s[0] not in markers], rest)


def with_first(data, *added):
    found, rest = segments(data)
    return joined([(0, a) for a in added] + found, rest)


def edited(data, marker, offset, new):
    """The segment's bytes from `offset` (0: its marker) replaced."""
    found, rest = segments(data)
    return joined([(m, s[:offset] + new + s[offset + len(new):] if m == marker else s) for m, s in found], rest)


def app(number, content):
    return struct.pack(">BBH", 0xFF, 0xE0 + number, len(content) + 2) + content


def tiff(orientation, order="<", kind=3, offset=8):
    value = struct.pack(order + "HH", orientation, 0) if kind == 3 else struct.pack(order + "I", orientation)
    return ((b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", offset) + struct.pack(order + "H", 1)
            + struct.pack(order + "HHI", 0x0112, kind, 1) + value + bytes(4))


def exif(*arguments, **options):
    return app(1, b"Exif\0\0" + tiff(*arguments, **options))


def make_jpegs():
    plain = jpeg(subsampling=0)
    cmyk = jpeg(RGB.convert("CMYK"))
    adobe = app(14, b"Adobe\0\x64\0\0\0\0")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    FILES.update({
        "grey.jpg": jpeg(RGB.convert("L")),
        "grey_with_ids_from_zero.jpg": jpeg(RGB.convert("L")).replace(b"\x01\x01\x11\0", b"\x01\0\x11\0").replace(
            b"\xda\0\x08\x01\x01", b"\xda\0\x08\x01\0"),
        "one_pixel.jpg": jpeg(RGB.crop((0, 0, 1, 1))),
        "4_4_4.jpg": plain,
        "4_2_2.jpg": jpeg(subsampling=1),
        "4_2_0.jpg": jpeg(subsampling=2),
        "4_4_0.jpg": cjpeg("-sample", "1x2,1x1,1x1"),
        "4_1_1.jpg": cjpeg("-sample", "4x1,1x1,1x1"),
        "4_1_0.jpg": cjpeg("-sample", "4x2,1x1,1x1"),
        "chroma_finer_than_luma.jpg": cjpeg("-sample", "1x1,2x2,1x1"),
        "progressive.jpg": cjpeg("-progressive"),
        "progressive_4_4_0.jpg": cjpeg("-progressive", "-sample", "1x2,1x1,1x1"),
        "restart_markers.jpg": cjpeg("-restart", "1B"),
        "arithmetic.jpg": cjpeg("-arithmetic"),
        "rgb_by_adobe.jpg": with_first(without(cjpeg("-rgb"), 0xEE), adobe),
        "rgb_by_ids.jpg": without(cjpeg("-rgb"), 0xEE),
        "ycc_without_markers.jpg": without(plain, 0xE0),
        "ycc_by_adobe.jpg": with_first(without(plain, 0xE0), app(14, b"Adobe\0\x64\0\0\0\0\x01")),
        "jfif_against_adobe.jpg": with_first(plain, app(14, b"Adobe\0\x64\0\0\0\0\0")),
        "cmyk.jpg": cmyk,
        "cmyk_without_adobe.jpg": without(cmyk, 0xEE),
        "ycck.jpg": edited(cmyk, 0xEE, 15, b"\x02"),
        "two_components.jpg": edited(plain, 0xC0, 9, b"\x02"),
        "twelve_bits.jpg": edited(plain, 0xC0, 4, b"\x0c"),
        "lossless.jpg": plain.replace(b"\xff\xc0\0\x11", b"\xff\xc3\0\x11"),
        "no_rows.jpg": edited(plain, 0xC0, 5, b"\0\0"),
        "without_huffman_tables.jpg": without(cjpeg(), 0xC4),
        "icc_profile.jpg": jpeg(icc_profile=profile[:200]),
        "comment.jpg": with_first(plain, b"\xff\xfe\0\x07words"),
        "padded_markers.jpg": plain.replace(b"\xff\xdb", b"\xff\xff\xff\xdb", 1),
        "behind_the_end.jpg": plain + b"\xff\xd8 more of it",
        "without_end.jpg": plain[:-2],
        "cut_in_data.jpg": plain[:-200],
        "cut_in_header.jpg": plain[:300],
        "ends_too_early.jpg": plain[:-200] + b"\xff\xd9",
        "damaged_data.jpg": plain[:-150] + b"\x55\xaa\x55" + plain[-147:],
        "png_inside.JPEG": png(RGB),
        "exif_big_endian.jpg": with_first(plain, exif(6, ">")),
        "exif_behind_another.jpg": with_first(plain, exif(3), exif(6)),
        "exif_long.jpg": with_first(plain, exif(8, kind=4)),
        "exif_of_nine.jpg": with_first(plain, exif(9)),
        "exif_beyond_its_end.jpg": with_first(plain, exif(6, offset=4000)),
        "exif_behind_xmp.jpg": with_first(plain, app(1, b"http://ns.adobe.com/xap/1.0/\0<x/>"), exif(7)),
        **{f"exif_{i}.jpg": with_first(plain, exif(i)) for i in range(1, 9)},
    })


# ---------------------------------------------------------------- PNG
def png(image, **options):
    out = io.BytesIO()
    image.save(out, "PNG", **options)
    return out.getvalue()


def chunk(kind, content, crc=None):
    return (struct.pack(">I", len(content)) + kind + content
            + struct.pack(">I", zlib.crc32(kind + content) if crc is None else crc))


def raw(bits, colour, rows, *before, behind=(), width=W, height=H, interlace=0, cut=None):
    data = zlib.compress(b"".join(b"\0" + r for r in rows))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlace))
            + b"".join(before) + chunk(b"IDAT", data[:cut]) + b"".join(behind) + chunk(b"IEND", b""))


def rows(bytes_of_row):
    return [bytes((x * 7 + y * 13) % 256 for x in range(bytes_of_row)) for y in range(H)]


def make_pngs():
    rgb = rows(3 * W)
    palette = chunk(b"PLTE", bytes(range(30)))
    FILES.update({
        "grey_1.png": raw(1, 0, rows(5)),
        "grey_2.png": raw(2, 0, rows(10)),
        "grey_4.png": raw(4, 0, rows(19)),
        "grey_16.png": raw(16, 0, rows(2 * W)),
        "grey_alpha.png": raw(8, 4, rows(2 * W)),
        "grey_alpha_16.png": raw(16, 4, rows(4 * W)),
        "grey_transparent.png": raw(8, 0, rows(W), chunk(b"tRNS", b"\0\x0d")),
        "rgb_16.png": raw(16, 2, rows(6 * W)),
        "rgb_transparent.png": raw(8, 2, rgb, chunk(b"tRNS", b"\0\0\0\x07\0\x0e")),
        "rgba.png": raw(8, 6, rows(4 * W)),
        "rgba_16.png": raw(16, 6, rows(8 * W)),
        "palette_4.png": raw(4, 3, rows(19), palette),
        "palette_8_transparent.png": raw(8, 3, rows(W), palette, chunk(b"tRNS", bytes(10))),
        "palette_missing.png": raw(8, 3, rows(W)),
        "one_pixel.png": raw(8, 2, [b"\1\2\3"], width=1, height=1),
        "gamma.png": raw(8, 2, rgb, chunk(b"gAMA", struct.pack(">I", 100000)), chunk(b"sRGB", b"\0")),
        "animated.png": raw(8, 2, rgb, chunk(b"acTL", struct.pack(">II", 1, 0)), chunk(
            b"fcTL", struct.pack(">IIIIIHHBB", 0, W, H, 0, 0, 1, 1, 0, 0))),
        "jpeg_inside.png": jpeg(),
        "exif_6.png": raw(8, 2, rgb, chunk(b"eXIf", tiff(6))),
        "exif_behind_data.png": raw(8, 2, rgb, behind=[chunk(b"eXIf", tiff(5, ">"))]),
        "without_end.png": raw(8, 2, rgb)[:-12],
        "behind_the_end.png": raw(8, 2, rgb) + b"more of it",
        "text_with_wrong_sum.png": raw(8, 2, rgb, chunk(b"tEXt", b"a\0b", crc=1)),
        "text_behind_with_wrong_sum.png": raw(8, 2, rgb, behind=[chunk(b"tEXt", b"a\0b", crc=1)]),
        "header_with_wrong_sum.png": raw(8, 2, rgb).replace(b"IHDR\0\0\0\x25", b"IHDR\0\0\0\x24"),
        "cut_in_data.png": raw(8, 2, rgb)[:200],
        "data_too_short.png": raw(8, 2, rgb, cut=100),
        "no_data.png": b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", W, H, 8, 2, 0, 0, 0)),
        "unknown_colour.png": raw(8, 1, rows(W)),
        "three_bits.png": raw(3, 0, rows(W)),
        "empty.png": raw(8, 2, rgb, width=0),
        "signature_alone.png": b"\x89PNG\r\n\x1a\n",
        "nothing.png": b"",
        "words.jpg": b"this is no image\n",
    })


# ---------------------------------------------------------------- what Pillow makes of them
def row(data, upright):
    try:
        image = Image.open(io.BytesIO(data), formats=("JPEG", "PNG"))
        rgb = (ImageOps.exif_transpose(image) if upright else image).convert("RGB")
    except Exception:  # whatever Pillow raises, the file is refused
        return "0 0 error"
    return f"{rgb.width} {rgb.height} {xxhash.xxh64_hexdigest(rgb.tobytes())}"


def main():
    warnings.simplefilter("ignore")
    folder = Path(sys.argv[1])
    make_jpegs()
    make_pngs()
    lines = ["# made by reference/corner_images.py",
             "# name, width height XXH64(RGB) | error, and the same turned as EXIF asks"]
    for name, data in sorted(FILES.items()):
        path = folder / "corners" / ("jpeg" if name.lower().endswith(("jpg", "jpeg")) else "png") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        lines.append(f"{path.parent.name}/{name} {row(data, False)} {row(data, True)}")
    (folder / "corner_hashes.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
