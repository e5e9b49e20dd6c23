#!/usr/bin/env bash
# Packs the programs of `make gpu-check` with their libraries for a machine that has a GPU, NVIDIA's libraries and a C
# library at least as new as this one's, and may have nothing else: carry.sh PROGRAMS FOLDER makes
# FOLDER/programs.tar.xz.
#
# Programs rather than sources and development packages, because nothing has to compile there: what runs is what was
# tested here, byte for byte, and the GPU is not held while nvcc works.  Left out are the C library, GCC's run-time
# libraries (any C++ compiler brings newer ones) and NVIDIA's, which are large, belong to the driver, and are found on
# the machine (gpu_check.sh).
set -eu
programs=${1:?carry.sh PROGRAMS FOLDER} folder=${2:?carry.sh PROGRAMS FOLDER}
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
mkdir -p "$stage/lib" "$folder"

for program in "$programs"/{siameseim,gpu_bench,test_*}; do
    [[ -x $program && -f $program && $program != *.* ]] || continue
    install -s -m 755 "$program" "$stage/"
done

ldd "$stage"/* 2>/dev/null | awk '$2 == "=>" && $3 ~ /^\// {print $3}' | sort -u | while read -r library; do
    case ${library##*/} in
    libc.so.* | libm.so.* | libdl.so.* | librt.so.* | libpthread.so.* | libgcc_s.so.* | libstdc++.so.* | libgomp.so.*) ;;
    libcu*.so.* | libnv*.so.* | libnccl.so.*) ;;
    libicudata.so.*)
        # 31 MB of tables for the character sets of XML in .xar archives, which nothing here reads: libarchive pulls in
        # libxml2, and that ICU.  An empty table satisfies the loader.
        major=${library##*.so.}
        printf 'const unsigned short icudt%s_dat[64] = {0};\n' "${major%%.*}" |
            "${CC:-gcc}" -shared -fPIC -Wl,-soname,"${library##*/}" -o "$stage/lib/${library##*/}" -x c -
        ;;
    *) install -m 644 "$(realpath "$library")" "$stage/lib/${library##*/}" ;;
    esac
done

tar -C "$stage" --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -c . |
    xz --lzma2=preset=6,dict=64MiB >"$folder/programs.tar.xz" # the programs share most of their bytes
bytes=$(stat -c %s "$folder/programs.tar.xz")
echo "$folder/programs.tar.xz: $((bytes >> 10)) KiB, $(find "$stage" -type f | wc -l) files"
((bytes < 50 << 20)) || { echo "carry.sh: more than 50 MiB" >&2; exit 1; }
