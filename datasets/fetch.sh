#!/bin/bash
# Downloads public sets of images, checks them, goes on where a download was cut off.  --help says how.
set -u -o pipefail

# NAME FILE URL SUM, a file a line.  SUM is md5:... or sha256:... where its publisher, or a library that many rely on,
# states one; "-" where nobody does: what arrives is then said to be unverified.  "account" for a URL: nobody may
# download it without one; files that lie there already are checked.
#   cifar*      www.cs.toronto.edu/~kriz/cifar.html
#   mnist       torchvision, whose mirror it is
#   imagenet-c  zenodo.org/records/2235448
#   imagenet-a, imagenet-r   TensorFlow Datasets (url_checksums)
#   imagenet    torchvision
table() {
  cat <<'TABLE'
cifar10 cifar-10-binary.tar.gz https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz md5:c32a1d4ab5d03f1284b67883e8d87530
cifar100 cifar-100-binary.tar.gz https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz md5:03b5dce01913d631647c71ecec9e9cb8
mnist train-images-idx3-ubyte.gz https://ossci-datasets.s3.amazonaws.com/mnist/train-images-idx3-ubyte.gz md5:f68b3c2dcbeaaa9fbdd348bbdeb94873
mnist train-labels-idx1-ubyte.gz https://ossci-datasets.s3.amazonaws.com/mnist/train-labels-idx1-ubyte.gz md5:d53e105ee54ea40749a09fcbcd1e9432
mnist t10k-images-idx3-ubyte.gz https://ossci-datasets.s3.amazonaws.com/mnist/t10k-images-idx3-ubyte.gz md5:9fb629c4189551a2d022fa330f9573f3
mnist t10k-labels-idx1-ubyte.gz https://ossci-datasets.s3.amazonaws.com/mnist/t10k-labels-idx1-ubyte.gz md5:ec29112dd5afa0611ce80d1b7f02629c
tiny-imagenet tiny-imagenet-200.zip http://cs231n.stanford.edu/tiny-imagenet-200.zip -
imagenet-c noise.tar https://zenodo.org/records/2235448/files/noise.tar md5:e80562d7f6c3f8834afb1ecf27252745
imagenet-c blur.tar https://zenodo.org/records/2235448/files/blur.tar md5:2d8e81fdd8e07fef67b9334fa635e45c
imagenet-c weather.tar https://zenodo.org/records/2235448/files/weather.tar md5:33ffea4db4d93fe4a428c40a6ce0c25d
imagenet-c digital.tar https://zenodo.org/records/2235448/files/digital.tar md5:89157860d7b10d5797849337ca2e5c03
imagenet-a imagenet-a.tar https://people.eecs.berkeley.edu/~hendrycks/imagenet-a.tar sha256:3bb3632277e6ba6392ea64c02ddbf4dd2266c9caffd6bc09c9656d28f012589e
imagenet-r imagenet-r.tar https://people.eecs.berkeley.edu/~hendrycks/imagenet-r.tar sha256:18c6bf493b39a0d975d48e587437f562caab9c52ae6327dcfa9dd8eb54aa1b52
imagenet-sketch ImageNet-Sketch.zip https://huggingface.co/datasets/songweig/imagenet_sketch/resolve/main/data/ImageNet-Sketch.zip -
imagenet ILSVRC2012_img_train.tar account md5:1d675b47d978889d74fa0da5fadfb00e
imagenet ILSVRC2012_img_val.tar account md5:29b22e2961454d5413ddabcf34fc5622
imagenet ILSVRC2012_devkit_t12.tar.gz account md5:fa75699e90414af021442c21a62c3abf
TABLE
}

about() {
  case $1 in
    cifar10)         echo '170 MB: 60,000 images of 10 classes, 32 px' ;;
    cifar100)        echo '169 MB: 60,000 images of 100 classes, 32 px' ;;
    mnist)           echo '12 MB: 70,000 digits, 28 px' ;;
    tiny-imagenet)   echo '248 MB: 120,000 images of 200 classes, 64 px' ;;
    imagenet-c)      echo '48 GB: the validation images of ImageNet under 15 corruptions' ;;
    imagenet-a)      echo '0.7 GB: 7,500 hard images of 200 classes of ImageNet' ;;
    imagenet-r)      echo '2.2 GB: 30,000 renditions of 200 classes of ImageNet' ;;
    imagenet-sketch) echo '50,000 sketches of the classes of ImageNet' ;;
    imagenet)        echo '155 GB; needs an account: downloaded files are only checked' ;;
    *)               echo 'of the table given' ;;
  esac
}

# What to do with the files in DIR.
then_what() {
  case $1 in
    cifar10|cifar100)
      local archive=cifar-10-binary.tar.gz; [[ $1 == cifar100 ]] && archive=cifar-100-binary.tar.gz
      echo "siameseim data pack $into/$archive $1-train.pack"
      echo "siameseim data pack $into/$archive $1-val.pack --val" ;;
    mnist)
      echo "siameseim data pack $into/train-images-idx3-ubyte.gz mnist-train.pack"
      echo "siameseim data pack $into/t10k-images-idx3-ubyte.gz mnist-val.pack" ;;
    tiny-imagenet)
      echo "unzip -q $into/tiny-imagenet-200.zip"
      echo "siameseim data pack tiny-imagenet-200/train tiny-train.pack"
      echo "siameseim data pack tiny-imagenet-200/val/images tiny-val.pack --labels tiny-imagenet-200/val/val_annotations.txt" ;;
    imagenet-c)      echo "for f in $into/{noise,blur,weather,digital}.tar; do tar xf \$f; done   # eval.robustness reads folders" ;;
    imagenet-a|imagenet-r) echo "siameseim data pack $into/$1.tar:$1 $1.pack" ;;
    imagenet-sketch) echo "unzip -q $into/ImageNet-Sketch.zip; siameseim data pack sketch imagenet-sketch.pack" ;;
    imagenet)        echo "siameseim data --help   # says how to pack both tars" ;;
  esac
}

usage() {
  cat <<'HELP'
usage: datasets/fetch.sh [--into DIR] [--from URL] [--table FILE] NAME...
       datasets/fetch.sh --list

Downloads the files of public sets into DIR (default: downloads), checks them, and says what to do next.  A download
that is cut off leaves FILE.part, and the same command goes on behind it; a file that is there is checked, not fetched.

  --from URL     fetch every file from URL/FILE, a mirror, instead of from its home; checked all the same
  --table FILE   sets of one's own: lines of NAME FILE URL SUM, SUM being md5:..., sha256:... or - for unknown

Where no checksum is published, the file's own is printed and the file said to be unverified: compare it with
somebody else's.  ImageNet needs an account at image-net.org: `fetch.sh imagenet` checks files that lie in DIR.
Needs curl or wget.

example: datasets/fetch.sh cifar10 && siameseim data pack downloads/cifar-10-binary.tar.gz cifar10-train.pack
HELP
}

die() { echo "fetch.sh: $*" >&2; exit 1; }

sum_of() { # ALGORITHM FILE
  "$1"sum < "$2" | cut -d ' ' -f 1
}

# Is FILE what SUM says?  Without a sum: yes, but said.
check() { # FILE SUM NAME
  local file=$1 sum=$2 got
  if [[ $sum == - ]]; then
    echo "$3: UNVERIFIED, nobody publishes a checksum; sha256 $(sum_of sha256 "$file")"
    return 0
  fi
  got=$(sum_of "${sum%%:*}" "$file") || return 1
  [[ $got == "${sum#*:}" ]] && { echo "$3: ok (${sum%%:*})"; return 0; }
  echo "fetch.sh: $3: its ${sum%%:*} is $got, and ${sum#*:} is expected" >&2
  return 1
}

# Goes on behind what PART holds.  0 also where PART is whole already.
download() { # URL PART
  local url=$1 part=$2 code status
  if command -v curl > /dev/null; then
    code=$(curl -fL -sS --retry 3 --connect-timeout 30 -C - -o "$part" -w '%{http_code}' "$url")
    status=$?
    [[ $status == 0 || $code == 416 ]] && return 0 # 416: there is nothing behind it
    if [[ $status == 33 ]]; then # the server cannot go on in the middle
      echo "fetch.sh: $url cannot be resumed: beginning anew" >&2
      rm -f "$part"
      curl -fL -sS --retry 3 --connect-timeout 30 -o "$part" "$url"
      return
    fi
    return "$status"
  fi
  command -v wget > /dev/null || die "neither curl nor wget is installed"
  wget -q -c -t 3 -O "$part" "$url"
}

fetch_file() { # FILE URL SUM
  local file=$1 url=$2 sum=$3 to=$into/$1
  if [[ -e $to ]]; then
    check "$to" "$sum" "$file" || die "$to is damaged or of another version: remove it, and it is fetched anew"
    return
  fi
  [[ $url == account ]] &&
    die "$file needs an account: get it at https://image-net.org/download.php, put it into $into, and run this again"
  [[ -n $from ]] && url=${from%/}/$file
  [[ -s $to.part ]] && echo "$file: going on behind $(stat -c %s "$to.part") bytes"
  download "$url" "$to.part" || die "$file: the download from $url was cut off; the same command goes on"
  check "$to.part" "$sum" "$file" || { rm -f "$to.part"; die "$file is thrown away: the same command fetches it anew"; }
  mv "$to.part" "$to" || die "$to cannot be written"
}

into=downloads from= own= names=()
while (( $# )); do
  case $1 in
    --help|-h) usage; exit 0 ;;
    --list) list=1 ;;
    --into|--from|--table)
      (( $# > 1 )) || die "$1 needs a value"
      case $1 in --into) into=$2 ;; --from) from=$2 ;; --table) own=$2 ;; esac
      shift ;;
    -*) die "unknown option $1; --help lists them" ;;
    *) names+=("$1") ;;
  esac
  shift
done
[[ -z $own || -r $own ]] || die "cannot read the table $own"
rows=$(table; [[ -n $own ]] && cat "$own")
if [[ -n ${list-} ]]; then
  while read -r name; do printf '%-16s %s\n' "$name" "$(about "$name")"; done < <(cut -d ' ' -f 1 <<< "$rows" | uniq)
  exit 0
fi
(( ${#names[@]} )) || { usage >&2; exit 2; }

for name in "${names[@]}"; do
  [[ $'\n'$rows == *$'\n'"$name "* ]] || die "there is no set $name; --list names them"
  mkdir -p "$into" || die "cannot make the folder $into"
  while read -r row_name file url sum; do
    [[ $row_name == "$name" ]] && fetch_file "$file" "$url" "$sum"
  done <<< "$rows"
  next=$(then_what "$name")
  [[ -n $next ]] && printf 'next:\n%s\n' "$next"
done
exit 0
