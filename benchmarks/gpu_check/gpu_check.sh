#!/usr/bin/env bash
# Everything there is to check and to time on a machine with a GPU, in one command: `make gpu-check` runs it.
#
#   gpu_check.sh PROGRAMS OUT [--only STEP,STEP...] [--emulated]
#
# PROGRAMS holds siameseim, gpu_bench and test_*, built for CUDA, or the archive of them that carry.sh makes.  OUT
# receives the logs, lines.jsonl, record.json and table.md.  A step that fails is reported and hides none of the others; one that would
# start too late, or runs too long, counts as failed.  Exit status: 0 all checks passed, 1 one failed, 2 wrong usage,
# 3 there is no GPU here (or no CUDA in the programs): nothing was checked.
#
# --emulated runs the same steps against the host emulation that the tests use, on tiny shapes.  It proves this
# script and nothing else; every line then says so.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
BUDGET_S=${BUDGET_S:-530} # of 9 minutes: the report still has to be written

(($# >= 2)) || { sed -n '2,4p' "$0" >&2; exit 2; }
programs=$(realpath -m "$1") out=$(realpath -m "$2") only=
shift 2
emulated=
while (($#)); do
    case $1 in
    --only) only=,${2:?--only needs steps}, && shift ;;
    --emulated) emulated=1 ;;
    *) echo "gpu_check.sh: unknown option $1" >&2; exit 2 ;;
    esac
    shift
done
mark=${emulated:+host emulation, no GPU: }
mkdir -p "$out/logs" || exit 1
lines=$out/lines.jsonl
: >"$lines"
rm -f "$out/record.json" "$out/table.md"
export SIM_TESTS=$root/tests
cd "$root" || exit 1

say() { printf '%s%s\n' "$mark" "$*"; }

# ------------------------------------------------------------------ libraries
# Where the programs' shared libraries are: those carried beside them, then whatever the loader does not find itself,
# looked for under CUDNN_ROOT, NCCL_ROOT, CUDA_ROOT and the nvidia packages of python3's PyTorch.
python_nvidia() {
    python3 -c 'import importlib.util as u; s = u.find_spec("nvidia"); print(*(s.submodule_search_locations if s else []), sep="\n")' 2>/dev/null
}
libraries() {
    local path=$programs/lib folder name missing
    mapfile -t roots < <(printf '%s\n' "${CUDNN_ROOT:-}" "${NCCL_ROOT:-}" "${CUDA_ROOT:-/usr/local/cuda}"; python_nvidia)
    for _ in 1 2 3; do # what is found may need more
        missing=$(LD_LIBRARY_PATH=$path ldd "$tool" "$bench" 2>/dev/null | awk '/not found/ {print $1}' | sort -u)
        # cuDNN loads its parts and the run-time compiler by name, which ldd does not see
        for name in $missing libcudnn_graph.so.9 libnvrtc.so.13; do
            for folder in "${roots[@]}"; do
                [[ -n $folder && -d $folder ]] || continue
                folder=$(find -L "$folder" -maxdepth 4 -name "$name" -printf '%h\n' -quit 2>/dev/null)
                [[ -n $folder ]] || continue
                [[ :$path: == *:$folder:* ]] || path+=:$folder
                break
            done
        done
    done
    printf '%s' "$path${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
}
if [[ -e $programs/programs.tar.xz ]]; then
    archive=$programs/programs.tar.xz programs=$out/programs
    rm -rf "$programs" && mkdir -p "$programs" || exit 1
    tar -xJf "$archive" -C "$programs" 2>/dev/null || python3 -m tarfile -e "$archive" "$programs" || exit 1
fi
tool=$programs/siameseim bench=$programs/gpu_bench
[[ -x $tool && -x $bench ]] || { echo "gpu-check: $programs has no siameseim and gpu_bench; see benchmarks/README.md" >&2; exit 1; }
path=$(libraries)

# ------------------------------------------------------------------ steps
# step NAME SECONDS COMMAND...: runs it for so long at most and keeps its verdict.  What it prints goes to a log, of which the
# last line that begins with "note: " is the line's remark.
step() {
    local name=$1 most=$2 left=$((BUDGET_S - SECONDS)) since remark status verdict
    shift 2
    [[ -n $emulated ]] && most=$((10 * most)) # the emulation is slow, and what it takes says nothing
    [[ -z $only || $only == *,${name%% *},* || $only == *,${name// /_},* ]] || return 0
    local log=$out/logs/${name// /_}.log
    ((most > left)) && most=$left
    since=$(date +%s.%N)
    if ((most < 5)); then
        echo "note: no time left" >"$log"
        status=124
    else
        limit=$most "$@" >"$log" 2>&1 </dev/null
        status=$?
    fi
    local took
    took=$(awk -v a="$since" -v b="$(date +%s.%N)" 'BEGIN {printf "%.1f", b - a}')
    remark=$(sed -n 's/^note: //p' "$log" | tail -1 | tr -d '"\\' | tr -c '[:print:]\n' ' ')
    case $status in
    0) verdict=ok ;;
    77) verdict=skipped ;;
    *) verdict=FAILED ;;
    esac
    ((status == 124)) && remark="${remark:-stopped after $most s}"
    say "$(printf '%-8s %-28s %7.1f s  %s' "$verdict" "$name" "$took" "$remark")"
    printf '{"kind": "check", '"${emulated:+\"emulated\": true, }"'"name": "%s", "verdict": "%s", "seconds": %s, "note": "%s"}\n' \
        "$name" "$verdict" "$took" "$remark" >>"$lines"
    [[ $verdict == FAILED ]] && tail -15 "$log" | sed "s/^/$mark    /"
}
# Lanes of steps side by side, where there are cores for it; what they say comes out one lane after the other.  For
# checks alone: what is timed has the machine to itself.
beside() {
    local lane
    for lane; do
        if (($(nproc) >= 8)); then
            $lane >"$out/logs/$lane.lane" 2>&1 &
        else
            $lane
        fi
    done
    wait
    for lane; do
        [[ -e $out/logs/$lane.lane ]] && cat "$out/logs/$lane.lane" && rm "$out/logs/$lane.lane"
    done
}
# A program of ours under the step's limit.
run() { LD_LIBRARY_PATH=$path timeout -k 5 "$limit" "$@"; }

operations() { # random shapes too, other ones every time; the seed repeats them
    local seed=${SIM_RANDOM_SEED:-$RANDOM} status
    SIM_RANDOM_SHAPES=${shapes:-6} SIM_RANDOM_SEED=$seed run "$root/tests/run" "$programs"/test_*
    status=$?
    echo "note: random shapes of seed $seed"
    return $status
}

golden=(tests/golden/{base,layernorm,layer_scale,no_projector,no_scale,no_relative,global_loss,shared_target,no_mask,mae,moco_v3}
    tests/golden/fresh/{head8,mixed_norms,plain_targets,deep_still,shared_bare,global_bare})
verify() {
    local folders=("${golden[@]}")
    # With one visible patch, the direction of one gradient (cls_token) passes the bound below fp32 by rounding alone:
    # 1 - cosine was 1.15e-3 on the host emulation, of 1e-3.
    [[ $1 == fp32 ]] && folders+=(tests/golden/fresh/{one_patch_left,odd}) # odd: heads of 4 and 20, which no fused attention takes
    [[ -n $emulated ]] && folders=(tests/golden/base tests/golden/fresh/head8)
    run "$tool" verify --device cuda --precision "$1" "${folders[@]}" --table "$out/verify_$1.md" || return
    echo "note: worst gradient $(awk -F'|' '/gradients/ {print $3 $4 "of" $5}' "$out/verify_$1.md")"
}

# Our kernels only: the libraries' are many, and slow under instrumentation.
sanitize() {
    local program=compute-sanitizer
    command -v $program >/dev/null || program=${CUDA_ROOT:-/usr/local/cuda}/bin/compute-sanitizer
    if ! command -v "$program" >/dev/null; then
        echo "note: no compute-sanitizer here"
        return 77
    fi
    run "$program" --tool "$1" --kernel-name kns=k_ --error-exitcode 9 --print-limit 20 \
        "$tool" verify --device cuda --precision "$2" tests/golden/fresh/head8
}

# Puts a short training run into `words`: its folder, then further options.
train_words() {
    words=("$tool" run ablations/smoke.yaml --out "$1" --quiet --device cuda --set train.epochs="${epochs:-200}"
        --set train.save_every_steps="${every:-20}" --set eval.knn=false --set eval.logistic=false "${@:2}")
}
train() { train_words "$@" && run "${words[@]}"; }
hash_of() { sha256sum <"$(ls "$1"/smoke/checkpoint-*.safetensors | tail -n 1)" && sha256sum <"$1/smoke/encoder.safetensors"; }
same() {
    local a b
    a=$(hash_of "$1") && b=$(hash_of "$2") && [[ $a == "$b" ]] && echo "note: sha256 ${a:0:16} both times"
}
equal_runs() {
    rm -rf "$out/one" "$out/two"
    train "$out/one" "$@" && train "$out/two" "$@" && same "$out/one" "$out/two"
}
graphs() { # graphs change no byte
    rm -rf "$out/graph"
    train "$out/graph" --set compute.cuda_graph=true && same "$out/one" "$out/graph"
}
resumed_run() { # stopped after its first checkpoint, taken up again, against the run that was not
    rm -rf "$out/cut"
    train_words "$out/cut"
    LD_LIBRARY_PATH=$path timeout -k 20 "$limit" "${words[@]}" & # which hands the signal on
    local child=$! waited=0 status
    until compgen -G "$out/cut/smoke/checkpoint-*.safetensors" >/dev/null || ((++waited > 600)); do sleep 0.05; done
    kill -TERM $child # a shell's background jobs do not see SIGINT
    wait $child
    status=$?
    echo "the first part ended with status $status"
    if grep -q '"status":"ok"' "$out/cut/records.jsonl" 2>/dev/null; then
        echo "note: the run ended before it was stopped"
        return 1
    fi
    train "$out/cut" && same "$out/one" "$out/cut"
}

# ------------------------------------------------------------------ timings
peer() { # peer SHAPE BATCHES OPTIONS...
    local shape=$1 batches=$2
    shift 2
    if ! timeout 60 python3 -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
        echo "note: python3 has no PyTorch with CUDA"
        return 77
    fi
    local -A sizes=([vit_s_224]="--dim 384 --depth 12 --heads 6 --dec-dim 384 --dec-heads 8"
        [vit_b_224]="--dim 768 --depth 12 --heads 12 --dec-dim 768 --dec-heads 16")
    # shellcheck disable=SC2086 # the sizes are words
    timeout -k 5 "$limit" python3 benchmarks/peers/bench_step.py --img 224 --patch 16 ${sizes[$shape]} --hidden 118 \
        --device cuda --tuned --steps 20 --batch "$batches" "$@" >"$out/peer.jsonl" || return
    sed 's/^{/{"kind": "peer", "shape": "'"$shape"'", /' "$out/peer.jsonl" >>"$lines"
}
timed() { # timed SUBCOMMAND...: its JSON lines are results
    run "$bench" "$@" >"$out/timed.jsonl"
    local status=$?
    sed "s/^{/{${emulated:+\"emulated\": true, }/" "$out/timed.jsonl" >>"$lines"
    return $status
}

# ------------------------------------------------------------------ the run
limit=60
if ! facts=$(run "$bench" facts 2>"$out/logs/facts.log"); then
    echo "gpu-check: not run: $(tail -1 "$out/logs/facts.log")"
    exit 3
fi
printf '%s\n' "$facts" >>"$lines"
if [[ -n $emulated ]]; then
    [[ $facts == *'"emulated": true'* ]] || { echo "gpu_check.sh: --emulated, but there is a device" >&2; exit 2; }
    epochs=3 every=1 shapes=1 tiny=--tiny BUDGET_S=${BUDGET_S_EMULATED:-3000}
elif [[ $facts == *'"emulated": true'* ]]; then
    echo "gpu-check: not run: these programs were built for the host emulation"
    exit 3
fi
say "$facts"

lane_operations() { step "operations" 170 operations; }
lane_verify() {
    step "verify fp32" 60 verify fp32
    step "verify tf32" 60 verify tf32
    step "verify bf16" 60 verify bf16
}
lane_runs() {
    step "equal runs" 60 equal_runs
    step "stop and resume" 60 resumed_run
    step "graph replay" 40 graphs
}
lane_sanitizer() {
    step "memcheck fp32" 60 sanitize memcheck fp32
    step "memcheck bf16" 60 sanitize memcheck bf16
    step "racecheck bf16" 80 sanitize racecheck bf16
}
beside lane_operations lane_verify lane_runs lane_sanitizer
step "rates" 20 timed rates ${tiny:-}
step "timed operations" 40 timed operations ${tiny:-}
step "timed steps" 80 timed steps ${tiny:-}
step "profile" 30 timed profile ${tiny:-}
for shape in vit_s_224 vit_b_224; do
    [[ $shape == vit_s_224 ]] && batches=128,512 || batches=64,256
    step "peer $shape fp32" 40 peer $shape ${batches%,*}
    step "peer $shape bf16" 40 peer $shape $batches --bf16
    step "peer $shape bf16 compiled" 120 peer $shape ${batches#*,} --bf16 --compile
done

limit=30
run "$bench" report "$lines" --markdown "$out/table.md" --record "$out/record.json" --seconds $SECONDS
status=$?
[[ -e $out/table.md ]] && cat "$out/table.md"
say "$((SECONDS)) s; logs, table.md and record.json are in $out"
grep -q '"verdict": "FAILED"' "$lines" && exit 1
exit $status
