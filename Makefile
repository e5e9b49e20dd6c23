# SiameseIM in C.  `make help` lists the targets.
#
# Rooms (folders) and who may call whom: each room is compiled with include paths for itself and the rooms
# above it only, so a wrong include does not build.

O      ?= build
ifeq ($(origin CC),default)
CC     := gcc
endif
ifeq ($(origin CXX),default)
CXX    := g++
endif
SHELL  := /bin/bash
.SHELLFLAGS := -o pipefail -c
.DEFAULT_GOAL := all

VERSION := $(shell git describe --always --dirty 2>/dev/null || echo unknown)
WARN   := -Wall -Wextra -Werror -Wvla -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wno-format-truncation
ARCH   := -march=x86-64-v3 -mtune=generic
CFLAGS ?= -O3 -g
BASE   := -std=c11 -D_GNU_SOURCE $(WARN) $(ARCH) -fopenmp -ffp-contract=fast -fno-math-errno -fno-trapping-math
LIBS   := -ldnnl -lyaml -ljansson -lxxhash -ljpeg -lspng -lz -larchive -llbfgs -lpthread -lm

# ------------------------------------------------------------------ rooms, ground floor first
ROOMS  := core/base core/ops core/model core/pretrain core/train core/eval datasets ablations/driver results
SEES_core/base        := core/base
SEES_core/ops         := core/base core/ops
SEES_core/model       := $(SEES_core/ops) core/model
SEES_core/pretrain    := $(SEES_core/model) core/pretrain
SEES_core/train       := $(SEES_core/pretrain) core/train
SEES_core/eval        := $(SEES_core/train) core/eval
SEES_datasets         := core/base core/ops core/train datasets
SEES_ablations/driver := $(SEES_core/eval) datasets ablations/driver
SEES_results          := core/base results
SEES_ALL              := $(SEES_core/eval) datasets ablations/driver results

# Ranks find each other by TCP, or by MPI where there is an mpicc: MPI=0 leaves it out, MPI=1 insists on it.
MPICC     ?= mpicc
MPI       ?= $(if $(shell command -v $(MPICC)),1,0)
ifeq ($(MPI),1)
MPI_WORDS := $(shell $(MPICC) --showme 2>/dev/null || $(MPICC) -show)
ifeq ($(MPI_WORDS),)
$(error MPI=1, but there is no $(MPICC): Debian has libopenmpi-dev; MPICC names another)
endif
LIBS      += $(filter -L% -l% -Wl%,$(MPI_WORDS))
endif
RANKS_SRC := $(filter-out core/ops/ranks/$(if $(filter 1,$(MPI)),mpi_absent,mpi).c,$(wildcard core/ops/ranks/*.c))
$(O)/core/ops/ranks/mpi.o: CPPFLAGS += $(patsubst -I%,-isystem%,$(filter -I%,$(MPI_WORDS)))

# These are in no archive: whoever links chooses the backends (below).
CHOSEN   := core/ops/backends.c core/ops/plan_absent.c
sources  = $(filter-out $(CHOSEN),$(wildcard $(1)/*.c)) \
           $(if $(filter core/ops,$(1)),$(wildcard core/ops/cpu/*.c) $(RANKS_SRC))
objects  = $(patsubst %.c,$(O)/%.o,$(call sources,$(1)))
# -iquote: "yaml.h" is ours, <yaml.h> the system's.
includes = $(addprefix -iquote,$(1))
MAIN    := $(O)/ablations/driver/main.o
TOOL    := $(O)/siameseim
# Kernels under core/ops/cpu/isa/ are compiled twice, for x86-64-v3 (AVX2) and x86-64-v4 (AVX-512); which of
# the two runs is chosen at run time.
ISA_SRC := $(wildcard core/ops/cpu/isa/*.c)
ISA_OBJ := $(ISA_SRC:%.c=$(O)/%.v3.o) $(ISA_SRC:%.c=$(O)/%.v4.o)

archive  = $(O)/lib/$(subst /,-,$(1)).a
archives = $(foreach r,$(1),$(call archive,$(r)))

# ------------------------------------------------------------------ the CUDA backend (core/ops/cuda)
# Three ways to link: `none`, the CPU alone; `cuda`, the backend over NVIDIA's libraries, its kernels compiled by
# nvcc; `shim`, the same sources over an emulated device on the host, for tests on machines without a GPU.
# CUDA=0 leaves the backend out, CUDA=1 insists on it; as preset it is built where everything for it is found.
CUDA_ROOT  ?= $(patsubst %/bin/nvcc,%,$(firstword $(wildcard /usr/local/cuda/bin/nvcc) $(shell command -v nvcc)))
NVCC       := $(CUDA_ROOT)/bin/nvcc
CUDA_ARCHS ?= 80 90 100
PYTHON     ?= python3
# Where unset, the folders of cuDNN and NCCL are the toolkit's, or, where it lacks them, those of the nvidia-* packages
# that python3's PyTorch brought along.
nvidia_package = $(shell $(PYTHON) -c 'import importlib.util as u; print(*u.find_spec("nvidia.$(1)").submodule_search_locations)' 2>/dev/null)
root_of = $(if $(or $(filter 0,$(CUDA)),$(wildcard $(CUDA_ROOT)/include/$(1).h)),$(CUDA_ROOT),$(or $(call nvidia_package,$(1)),$(CUDA_ROOT)))
ifeq ($(origin CUDNN_ROOT),undefined)
CUDNN_ROOT := $(call root_of,cudnn)
endif
ifeq ($(origin NCCL_ROOT),undefined)
NCCL_ROOT  := $(call root_of,nccl)
endif
CUDA_LACKS := $(strip $(if $(wildcard $(NVCC)),,nvcc(CUDA_ROOT)) \
                      $(if $(wildcard $(CUDNN_ROOT)/include/cudnn.h),,cudnn.h(CUDNN_ROOT)) \
                      $(if $(wildcard $(NCCL_ROOT)/include/nccl.h),,nccl.h(NCCL_ROOT)))
CUDA       ?= $(if $(CUDA_LACKS),0,1)
ifeq ($(CUDA),1)
ifneq ($(CUDA_LACKS),)
$(error CUDA=1, but there is no $(CUDA_LACKS): set what stands in brackets to the folder that has include/ and lib/)
endif
endif

# Left out for want of cuDNN or NCCL, though there is an nvcc: that is said.
ifeq ($(CUDA)$(origin CUDA),0file)
ifneq ($(wildcard $(NVCC)),)
$(info the CUDA backend is left out: there is no $(CUDA_LACKS))
endif
endif

# Machine code for every architecture, and PTX of the last for those to come.
NV_LAST  := $(lastword $(CUDA_ARCHS))
NV_CODE  := $(foreach a,$(CUDA_ARCHS),-gencode arch=compute_$(a),code=sm_$(a)) \
            -gencode arch=compute_$(NV_LAST),code=compute_$(NV_LAST)
NV_FLAGS := -std=c++17 -O3 -lineinfo $(NV_CODE) -Werror all-warnings -Xcompiler -Wall,-Wextra,-Werror
once        = $(if $(1),$(firstword $(1)) $(call once,$(filter-out $(firstword $(1)),$(1))))
NV_INCLUDES := $(addprefix -isystem ,$(addsuffix /include,$(call once,$(CUDNN_ROOT) $(NCCL_ROOT) $(CUDA_ROOT))))
NV_FOLDERS  := $(wildcard $(foreach r,$(call once,$(CUDNN_ROOT) $(NCCL_ROOT) $(CUDA_ROOT)),$(r)/lib64 $(r)/lib))
# The driver's libcuda.so.1 is not among them: the program starts on machines that have none.  cuDNN looks for nvrtc
# by itself, and finds it where it is loaded already.
LIBS_cuda := $(NV_FOLDERS:%=-L%) $(NV_FOLDERS:%=-Wl,-rpath,%) -lcublasLt -l:libcudnn.so.9 -l:libnccl.so.2 -lcudart \
             -Wl,--push-state,--no-as-needed -lnvrtc -Wl,--pop-state -lstdc++
# Kernels on the host: products and sums are not contracted, as the kernels that must round twice are written.
HOST_FLAGS := -x c++ -std=c++17 -fno-exceptions -fno-rtti -fno-threadsafe-statics -Wall -Wextra -Werror $(ARCH) -ffp-contract=off

CUDA_ROOM  := core/base core/ops core/ops/cuda core/ops/cuda/kernels
CUDA_GLUE  := $(patsubst %.c,$(O)/%.o,$(wildcard core/ops/cuda/*.c))
CUDA_NV    := $(patsubst %.c,$(O)/%.o,$(wildcard core/ops/cuda/nvidia/*.c))
CUDA_SHIM  := $(patsubst %.c,$(O)/%.o,$(wildcard core/ops/cuda/shim/*.c))
CUDA_CU    := $(wildcard core/ops/cuda/kernels/*.cu)
$(CUDA_GLUE): INCLUDES = $(call includes,$(CUDA_ROOM))
$(CUDA_NV):   INCLUDES = $(call includes,$(CUDA_ROOM) core/ops/cuda/nvidia) $(NV_INCLUDES)
$(CUDA_SHIM): INCLUDES = $(call includes,$(CUDA_ROOM) core/ops/cuda/shim)
$(O)/lib/core-ops-cuda.a: $(CUDA_GLUE) $(CUDA_NV) $(CUDA_CU:%.cu=$(O)/%.cuda.o)
$(O)/lib/core-ops-shim.a: $(CUDA_GLUE) $(CUDA_SHIM) $(CUDA_CU:%.cu=$(O)/%.host.o)
$(O)/lib/core-ops-cuda.a $(O)/lib/core-ops-shim.a:
	@mkdir -p $(@D); rm -f $@
	@ar rcs $@ $^
# Pixels are rounded as Pillow's are: no contraction there.
$(O)/core/ops/cuda/kernels/views%.cuda.o: NV_FLAGS += -fmad=false
$(O)/core/ops/cuda/views%.o: BASE += -ffp-contract=off
$(O)/%.cuda.o: %.cu
	@mkdir -p $(@D)
	$(NVCC) $(NV_FLAGS) $(addprefix -I,$(CUDA_ROOM)) -MMD -MP -MF $(@:.o=.d) -c -o $@ $<
$(O)/%.host.o: %.cu
	@mkdir -p $(@D)
	$(CXX) $(CFLAGS) $(HOST_FLAGS) $(call includes,$(CUDA_ROOM) core/ops/cuda/shim) -MMD -MP -c -o $@ $<

$(CHOSEN:%.c=$(O)/%.o) $(O)/core/ops/backends.cuda.o: INCLUDES = $(call includes,$(SEES_core/ops))
$(O)/core/ops/backends.cuda.o: core/ops/backends.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(BASE) $(CPPFLAGS) -DSIM_WITH_CUDA $(INCLUDES) -MMD -MP -c -o $@ $<
BACKENDS_none := $(O)/core/ops/backends.o $(O)/core/ops/plan_absent.o
BACKENDS_cuda := $(O)/core/ops/backends.cuda.o $(O)/lib/core-ops-cuda.a
BACKENDS_shim := $(O)/core/ops/backends.cuda.o $(O)/core/ops/plan_absent.o $(O)/lib/core-ops-shim.a
# What the program and the benchmarks have, and what tests have.
BACKENDS      := $(BACKENDS_$(if $(filter 1,$(CUDA)),cuda,none))
LIBS_BACKENDS := $(if $(filter 1,$(CUDA)),$(LIBS_cuda))
BACKENDS_TEST := $(BACKENDS_shim)

.PHONY: all deps quickstart test kills regress regress-reference sanitize fuzz bench peers clean help format
all: $(TOOL)

$(TOOL): $(MAIN) $(BACKENDS) $(call archives,$(ROOMS))
	$(CC) $(CFLAGS) $(BASE) -o $@ $(MAIN) -Wl,--start-group $(BACKENDS) $(call archives,$(ROOMS)) -Wl,--end-group $(LDFLAGS) $(LIBS_BACKENDS) $(LIBS)

# Planning for a GPU without a driver (siameseim plan --device-json): the toolkit's stub under the driver's name, in
# sight of those only who put this folder on LD_LIBRARY_PATH.
CUDA_STUB := $(firstword $(wildcard $(CUDA_ROOT)/lib64/stubs/libcuda.so $(CUDA_ROOT)/lib/stubs/libcuda.so))
ifneq ($(and $(filter 1,$(CUDA)),$(CUDA_STUB)),)
$(TOOL): | $(O)/stubs/libcuda.so.1
endif
$(O)/stubs/libcuda.so.1:
	@mkdir -p $(@D)
	ln -sf $(abspath $(CUDA_STUB)) $@

# The same program whose `--device cuda` is the emulated device.
TOOL_SHIM := $(O)/tests/siameseim_shim
$(TOOL_SHIM): $(MAIN) $(BACKENDS_shim) $(call archives,$(ROOMS))
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(BASE) -o $@ $(MAIN) -Wl,--start-group $(BACKENDS_shim) $(call archives,$(ROOMS)) -Wl,--end-group $(LDFLAGS) $(LIBS)

define room_rules
$(call archive,$(1)): $(filter-out $(MAIN),$(call objects,$(1))) $(if $(filter core/ops,$(1)),$(ISA_OBJ))
	@mkdir -p $$(@D); rm -f $$@
	@ar rcs $$@ $$^
$(call objects,$(1)): INCLUDES = $(call includes,$(SEES_$(1)))
endef
$(foreach r,$(ROOMS),$(eval $(call room_rules,$(r))))
$(MAIN): INCLUDES = $(call includes,$(SEES_ALL))
# Procedural sets are equal bytes on every machine: no contraction into fused multiply-adds (datasets/procedural.h).
$(O)/datasets/procedural%: BASE += -ffp-contract=off
$(O)/ablations/driver/record.o $(MAIN): CPPFLAGS += -DSIM_VERSION='"$(VERSION)"'
$(O)/ablations/driver/record.o $(MAIN): $(O)/version
$(O)/version: FORCE # rewritten, and so newer, only when the version is another
	@mkdir -p $(@D); echo '$(VERSION)' | cmp -s - $@ || echo '$(VERSION)' > $@
FORCE:

# Pillow is compiled without fused multiply-add; to equal its bytes, pixels round after every product too.
$(O)/core/ops/cpu/pixels%.o $(O)/core/ops/cpu/isa/pixels%.v3.o $(O)/core/ops/cpu/isa/pixels%.v4.o: BASE += -ffp-contract=off
# The wider of the loops over pixels also have AVX512_VNNI, which core/ops/cpu/pixels_kernels.c asks for.
$(O)/core/ops/cpu/isa/pixels%.v4.o: WIDER := -mavx512vnni

$(O)/core/ops/cpu/isa/%.v3.o: core/ops/cpu/isa/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(BASE) -DSIM_ISA=v3 -Icore/base -Icore/ops -MMD -MP -c -o $@ $<
$(O)/core/ops/cpu/isa/%.v4.o: core/ops/cpu/isa/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(BASE) -march=x86-64-v4 -mprefer-vector-width=512 $(WIDER) -DSIM_ISA=v4 -Icore/base -Icore/ops -MMD -MP -c -o $@ $<
$(O)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(BASE) $(CPPFLAGS) $(INCLUDES) -MMD -MP -c -o $@ $<

# ------------------------------------------------------------------ tests
# A test in tests/ROOM/ links the rooms that ROOM sees.  Each test_*.c is a Check program, with which the room's
# other .c files are linked, and what it uses of tests/support; tests/run adds them up.
SEES_tests/base     := core/base
SEES_tests/ops      := $(SEES_core/ops)
SEES_tests/cuda     := $(SEES_core/train) $(filter-out core/base core/ops,$(CUDA_ROOM)) core/ops/cuda/shim datasets
SEES_tests/model    := $(SEES_core/train)
SEES_tests/datasets := $(SEES_datasets)
SEES_tests/eval     := $(SEES_core/eval)
SEES_tests/results  := $(SEES_results)
SEES_tests/driver   := $(ROOMS)
TEST_ROOMS := base ops cuda model datasets eval results driver
test_bins   = $(patsubst tests/%.c,$(O)/tests/%,$(wildcard tests/$(1)/test_*.c))
test_common = $(patsubst %.c,$(O)/%.o,$(filter-out tests/$(1)/test_%,$(wildcard tests/$(1)/*.c))) \
              $(patsubst %.cu,$(O)/%.host.o,$(wildcard tests/$(1)/*.cu))
test_linked = $(if $(filter core/ops,$(SEES_tests/$(1))),$(BACKENDS_TEST)) $(call archives,$(filter $(ROOMS),$(SEES_tests/$(1))))
SUPPORT    := $(O)/lib/tests-support.a
TEST_BINS  := $(foreach r,$(TEST_ROOMS),$(call test_bins,$(r)))

define test_rules
$(call test_bins,$(1)): $(O)/tests/%: $(O)/tests/%.o $(call test_common,$(1)) $(SUPPORT) $(call test_linked,$(1))
	$(CC) $(CFLAGS) $(BASE) -o $$@ $$< $(call test_common,$(1)) -Wl,--start-group $(SUPPORT) $(call test_linked,$(1)) -Wl,--end-group $(LDFLAGS) -lcheck -lsubunit -lrt $(LIBS)
$(addsuffix .o,$(call test_bins,$(1))) $(call test_common,$(1)): INCLUDES = $(call includes,$(SEES_tests/$(1)) tests/support)
endef
$(foreach r,$(TEST_ROOMS),$(eval $(call test_rules,$(r))))
$(SUPPORT): $(patsubst %.c,$(O)/%.o,$(wildcard tests/support/*.c))
	@mkdir -p $(@D); rm -f $@
	@ar rcs $@ $^
$(O)/tests/support/%.o: INCLUDES = $(call includes,core/base tests/support)
$(O)/tests/support/recipe.o: INCLUDES = $(call includes,$(SEES_datasets) tests/support)
# The faults of tests/support/faults.h for programs that know nothing of them.
FAULTS := $(O)/tests/libfaults.so
$(FAULTS): tests/support/faults.c tests/support/faults.h
	@mkdir -p $(@D)
	$(CC) -O2 -g -std=c11 -D_GNU_SOURCE $(WARN) -fPIC -shared -o $@ $<
.PRECIOUS: $(O)/%.o
# It makes single pixels itself, as they are made (core/ops/pixel_math.h).
$(O)/tests/ops/test_pixel_kernels.o: BASE += -ffp-contract=off

# Hostile input that is kept: every fuzz target (make fuzz) over its seeds and tests/fuzz/corpus/NAME.
FUZZERS   := yaml safetensors image archive pack records csv
SEES_fuzz := $(SEES_datasets) results tests/base
REPLAYS   := $(FUZZERS:%=$(O)/tests/fuzz/replay_%)
TEST_BINS += $(REPLAYS)
$(O)/tests/fuzz/%.o: INCLUDES = $(call includes,$(SEES_fuzz) tests/fuzz tests/support)
$(REPLAYS): $(O)/tests/fuzz/replay_%: $(O)/tests/fuzz/fuzz_%.o $(O)/tests/fuzz/replay.o $(O)/tests/fuzz/seeds.o \
            $(SUPPORT) $(call archives,$(SEES_datasets) results)
	$(CC) $(CFLAGS) $(BASE) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LDFLAGS) -lcheck -lsubunit -lrt $(LIBS)

# ------------------------------------------------------------------ benchmarks
# benchmarks/bench_*.c are programs; the folder's other files are linked with each of them.
BENCH_COMMON := $(patsubst %.c,$(O)/%.o,$(filter-out benchmarks/bench_%,$(wildcard benchmarks/*.c)))
BENCH_BINS   := $(patsubst %.c,$(O)/%,$(wildcard benchmarks/bench_*.c))
$(BENCH_BINS): $(O)/%: $(O)/%.o $(BENCH_COMMON) $(BACKENDS) $(call archives,$(ROOMS))
	$(CC) $(CFLAGS) $(BASE) -o $@ $< $(BENCH_COMMON) -Wl,--start-group $(BACKENDS) $(call archives,$(ROOMS)) -Wl,--end-group $(LDFLAGS) $(LIBS_BACKENDS) $(LIBS)
$(BENCH_COMMON) $(addsuffix .o,$(BENCH_BINS)): INCLUDES = $(call includes,$(SEES_ALL) benchmarks)

ROUNDS ?= 3
SHAPES ?= # all
bench: deps
	@$(MAKE) --no-print-directory $(JOBS) bench-built
	@$(O)/benchmarks/bench_step --rounds $(ROUNDS) --peers $(O)/peers --out $(O)/bench.json $(SHAPES)
	@$(O)/benchmarks/bench_beside_pillow --rounds $(ROUNDS) --peers $(O)/peers --out $(O)/bench_images.json \
	  $(O)/benchmarks/bench_images $(O)/bench_images
# DATA: a folder or an archive of CLASS/IMAGE; IMAGES: over how many memory is watched.
DATA   ?=
IMAGES ?= 20000
.PHONY: bench-data bench-built
bench-data: deps
	@[[ -n '$(DATA)' ]] || { echo 'make bench-data DATA=PATH: a folder or an archive of CLASS/IMAGE, full-size photos'; exit 1; }
	@$(MAKE) --no-print-directory $(JOBS) bench-built
	@$(O)/benchmarks/bench_data --rounds $(ROUNDS) --images $(IMAGES) --peers $(O)/peers --out $(O)/bench-data.json $(DATA)
bench-built: $(BENCH_BINS)

# ------------------------------------------------------------------ checks on a machine with a GPU
# The programs that benchmarks/gpu_check/gpu_check.sh runs, over the device (cuda) or over its emulation (shim), which
# proves the script alone.
GPU_OBJECTS := $(patsubst %.c,$(O)/%.o,$(wildcard benchmarks/gpu_check/*.c))
$(GPU_OBJECTS): INCLUDES = $(call includes,$(SEES_ALL) core/ops/cuda benchmarks benchmarks/gpu_check)
$(O)/benchmarks/gpu_check/gpu_bench.o: CPPFLAGS += -DSIM_VERSION='"$(VERSION)"'
$(O)/benchmarks/gpu_check/gpu_bench.o: $(O)/version
gpu_tests    = $(patsubst tests/ops/%.c,$(O)/gpu-$(1)/%,$(wildcard tests/ops/test_*.c))
gpu_programs = $(O)/gpu-$(1)/siameseim $(O)/gpu-$(1)/gpu_bench $(call gpu_tests,$(1))
gpu_link     = @mkdir -p $(@D); $(CC) $(CFLAGS) $(BASE) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) \
               -Wl,--end-group $(LDFLAGS) $(LIBS_$(1)) -lcheck -lsubunit -lrt $(LIBS)
define gpu_rules
$(O)/gpu-$(1)/siameseim: $(MAIN) $(BACKENDS_$(1)) $(call archives,$(ROOMS))
	$$(call gpu_link,$(1))
$(O)/gpu-$(1)/gpu_bench: $(GPU_OBJECTS) $(BENCH_COMMON) $(BACKENDS_$(1)) $(call archives,$(ROOMS))
	$$(call gpu_link,$(1))
$(call gpu_tests,$(1)): $(O)/gpu-$(1)/test_%: $(O)/tests/ops/test_%.o $(call test_common,ops) $(SUPPORT) $(BACKENDS_$(1)) $(call archives,$(SEES_core/ops))
	$$(call gpu_link,$(1))
endef
$(foreach way,cuda shim,$(eval $(call gpu_rules,$(way))))

# CARRIED: the folder that `make gpu-carry` made elsewhere; nothing is compiled then.
CARRIED ?=
CARRY   ?= $(O)/carry
.PHONY: gpu-check gpu-check-emulated gpu-carry gpu-built
gpu-check: $(if $(CARRIED),,gpu-built)
	@benchmarks/gpu_check/gpu_check.sh $(or $(CARRIED),$(O)/gpu-cuda) $(O)/gpu_check
gpu-check-emulated: $(call gpu_programs,shim)
	@benchmarks/gpu_check/gpu_check.sh $(O)/gpu-shim $(O)/gpu_check_emulated --emulated
gpu-carry: gpu-built
	@benchmarks/gpu_check/carry.sh $(O)/gpu-cuda $(CARRY)
gpu-built:
	$(if $(CUDA_LACKS),$(error the GPU's programs need $(CUDA_LACKS): set what stands in brackets to the folder that has include/ and lib/))
	@$(MAKE) --no-print-directory $(JOBS) $(call gpu_programs,cuda)

# The copy of the list is made last: where it stands, the environment is complete.
peers: $(O)/peers/requirements.txt
$(O)/peers/requirements.txt: benchmarks/peers/requirements.txt
	@$(PYTHON) -c 'import ensurepip, sys; sys.exit(sys.version_info[:2] != (3, 11))' || { \
	  echo 'make peers needs Python 3.11 with venv (Debian 12: python3-venv); another one than $(PYTHON): PYTHON=...'; exit 1; }
	$(PYTHON) -m venv $(O)/peers
	$(O)/peers/bin/python -m pip install --disable-pip-version-check --only-binary :all: -r $<
	@cp $< $@

# ------------------------------------------------------------------ targets for people
PACKAGES := gcc g++ make libdnnl-dev libyaml-dev libjansson-dev libxxhash-dev libjpeg62-turbo-dev libspng-dev \
            zlib1g-dev libarchive-dev liblbfgs-dev check libsubunit-dev gnuplot-nox fonts-dejavu-core \
            libopenmpi-dev openmpi-bin
SUDO     := $(if $(filter 0,$(shell id -u)),,sudo)

help:
	@printf '%s\n' \
	  'make              build $(TOOL)' \
	  'make quickstart   install what is missing, build, pre-train and score four small encoders, show table and plots' \
	  'make test         install what is missing, build, run every test' \
	  'make kills        a run struck at its every write, and a sweep killed 20 times, end as those left alone' \
  '                  (FAULTS_EVERY=1, KILLS=20, KILLS_SEED=0)' \
	  'make regress      repeat the reference experiment and say what moved since (minutes; TIME_BAND=0: on a busy machine)' \
	  'make regress-reference  make that reference anew, where results changed on purpose' \
	  'make sanitize     the same tests under AddressSanitizer and UBSan' \
	  'make bench        images per second, beside the products alone and PyTorch (ROUNDS=3, SHAPES="vit_ti_64 ...")' \
	  'make bench-data   images per second of the loader beside a DataLoader, by stage, and its memory (DATA=PATH IMAGES=20000)' \
  'make peers        PyTorch, torchvision, Pillow and timm for make bench, under $(O)/peers (3 GB)' \
	  'make gpu-check    on a machine with a GPU: every check and timing, in nine minutes (benchmarks/README.md)' \
	  'make gpu-carry    its programs with their libraries, for such a machine that has nothing else' \
	  'make deps         install the Debian packages that are missing' \
	  'make fuzz         throw hostile YAML, safetensors, images, archives, packs, records and CSV at the readers (clang; FUZZ_SECONDS=60 each)' \
	  'make format       lay every source file out by .clang-format' \
	  'make clean        remove what was built' \
	  '' \
	  'CUDA=0 leaves the CUDA backend out; CUDA_ROOT, CUDNN_ROOT, NCCL_ROOT say where its libraries are;' \
	  'CUDA_ARCHS=90 builds kernels for one architecture instead of $(CUDA_ARCHS)' \
	  'O=DIR builds into another folder.  After building: $(TOOL) --help'

deps:
	@if ! command -v dpkg-query > /dev/null; then \
	  echo 'no dpkg here; these Debian packages, by whatever name, are needed: $(PACKAGES)'; exit 0; fi; \
	missing=(); for p in $(PACKAGES); do \
	  [[ $$(dpkg-query -W -f='$${Status}' $$p 2> /dev/null) == *'ok installed' ]] || missing+=($$p); done; \
	if (( $${#missing[@]} == 0 )); then exit 0; fi; \
	echo "installing: $${missing[*]}"; \
	if [[ -n '$(SUDO)' ]] && ! command -v sudo > /dev/null; then \
	  echo "neither root nor sudo; as root: apt-get install $${missing[*]}"; exit 1; fi; \
	$(SUDO) apt-get -q update && \
	$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends "$${missing[@]}"

# The recursion makes sure that everything is installed before anything is compiled.
JOBS = $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(shell nproc))
quickstart: deps
	@$(MAKE) --no-print-directory $(JOBS) all
	$(TOOL) run ablations/quickstart.yaml --out runs/quickstart

test: deps
	@$(MAKE) --no-print-directory $(JOBS) tests-built
	SIM_TOOL=$(TOOL) SIM_TOOL_SHIM=$(TOOL_SHIM) SIM_FAULTS=$(FAULTS) SIM_PEERS_PYTHON=$(O)/peers/bin/python tests/run $(TEST_BINS)
.PHONY: tests-built
tests-built: $(TOOL) $(TOOL_SHIM) $(FAULTS) $(TEST_BINS)

# `make test` makes four kills, and takes a fault at every 41st call.
KILLS        ?= 20
KILLS_SEED   ?= 0
FAULTS_EVERY ?= 1
kills: deps
	@$(MAKE) --no-print-directory $(JOBS) $(TOOL) $(FAULTS) $(O)/tests/driver/test_sweep_kills $(O)/tests/driver/test_faults
	SIM_TOOL=$(TOOL) SIM_TESTS=tests SIM_FAULTS=$(FAULTS) SIM_FAULTS_EVERY=$(FAULTS_EVERY) $(O)/tests/driver/test_faults
	SIM_TOOL=$(TOOL) SIM_TESTS=tests SIM_KILLS=$(KILLS) SIM_KILLS_SEED=$(KILLS_SEED) $(O)/tests/driver/test_sweep_kills

# ------------------------------------------------------------------ regression
# Three seeds of ablations/regress.yaml against eight in the reference, made side by side in the same way.  Training may
# take TIME_BAND times as long as the reference's, where that was made on such a machine; 0: time is not compared.
REFERENCE    := results/records/regress.jsonl
REGRESS_RUNS := siameseim other_parts
REGRESS_PICK := $(foreach s,0 1 2,$(foreach r,$(REGRESS_RUNS),--run $(r)-s$(s)))
TIME_BAND    ?= 2
# $(1): the folder, made anew: what is recorded there is another program's.
regress_run   = rm -rf $(1); $(TOOL) run ablations/regress.yaml --out $(1) --jobs $(shell nproc) --threads 1
regress: deps
	@[[ -e $(REFERENCE) ]] || { echo 'there is no $(REFERENCE) to hold anything against:' \
	  'make regress-reference makes it, in a quarter of an hour on two cores'; exit 1; }
	@$(MAKE) --no-print-directory $(JOBS) all
	@$(call regress_run,$(O)/regress) $(REGRESS_PICK) || (($$? != 130)) || exit 130; \
	$(TOOL) check $(O)/regress --against $(REFERENCE) --time-band $(TIME_BAND) --all
regress-reference: deps
	@$(MAKE) --no-print-directory $(JOBS) all
	$(call regress_run,$(O)/regress-reference)
	cp $(O)/regress-reference/records.jsonl $(REFERENCE)

# Without NVIDIA's libraries, which know no sanitizer: the emulated device stands in for them.  Time limits grow with the
# time that the sanitizers take, and threads that wait leave the cores to those that work.
sanitize:
	CK_TIMEOUT_MULTIPLIER=8 OMP_WAIT_POLICY=passive $(MAKE) O=$(O)-asan CUDA=0 CFLAGS='-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all' \
	  LDFLAGS='-fsanitize=address,undefined' test

# ------------------------------------------------------------------ fuzzing (libFuzzer, so clang)
# Each tests/fuzz/fuzz_NAME.c runs for FUZZ_SECONDS, from tests/fuzz/corpus/NAME on.  What is found grows under
# $(O)/fuzz/corpus and is used again; an input that breaks something is kept as $(O)/fuzz/NAME-*, and running the
# fuzzer on it repeats the failure (tests/fuzz/README.md).
FUZZ_SECONDS ?= 60
FUZZ_ROOMS := $(wildcard core/base/*.c datasets/*.c core/ops/cpu/pixels_*.c results/*.c) core/ops/cpu/isa.c tests/fuzz/seeds.c
FUZZ_ISA   := $(wildcard core/ops/cpu/isa/pixels_*.c)
FUZZ_FLAGS := -O1 -g -std=c11 -D_GNU_SOURCE -march=x86-64-v3 -fno-sanitize-recover=all
fuzz_compile = @mkdir -p $(@D); clang $(FUZZ_FLAGS) $(1) -fsanitize=fuzzer-no-link,address,undefined \
               $(call includes,$(SEES_fuzz) tests/fuzz) -MMD -MP -c -o $@ $<
$(O)/fuzz/%.v3.o: %.c
	$(call fuzz_compile,-DSIM_ISA=v3)
$(O)/fuzz/%.v4.o: %.c
	$(call fuzz_compile,-march=x86-64-v4 -mavx512vnni -DSIM_ISA=v4)
$(O)/fuzz/%.o: %.c
	$(call fuzz_compile)
.PRECIOUS: $(O)/fuzz/%.o
$(O)/fuzz/rooms.a: $(FUZZ_ROOMS:%.c=$(O)/fuzz/%.o) $(FUZZ_ISA:%.c=$(O)/fuzz/%.v3.o) $(FUZZ_ISA:%.c=$(O)/fuzz/%.v4.o)
	@rm -f $@; ar rcs $@ $^
$(O)/fuzz/fuzz_%: $(O)/fuzz/tests/fuzz/fuzz_%.o $(O)/fuzz/rooms.a
	clang -fsanitize=fuzzer,address,undefined -o $@ $^ -lyaml -ljansson -lxxhash -ljpeg -lspng -lz -larchive -lpthread -lm

fuzz: $(FUZZERS:%=$(O)/fuzz/fuzz_%)
	@for f in $(FUZZERS); do \
	  echo "$$f: $(FUZZ_SECONDS) s of hostile input"; mkdir -p $(O)/fuzz/corpus/$$f; \
	  $(O)/fuzz/fuzz_$$f $(O)/fuzz/corpus/$$f tests/fuzz/corpus/$$f -max_total_time=$(FUZZ_SECONDS) -max_len=16384 \
	    -timeout=20 -rss_limit_mb=3000 -artifact_prefix=$(O)/fuzz/$$f- -print_final_stats=1 > $(O)/fuzz/$$f.log 2>&1 \
	    || { tail -60 $(O)/fuzz/$$f.log; exit 1; }; \
	  sed -n "s/^stat::number_of_executed_units: */$$f: inputs without harm: /p" $(O)/fuzz/$$f.log; done

format:
	git ls-files '*.c' '*.h' '*.cu' ':!tests/reference' | xargs clang-format -i

clean:
	rm -rf $(O) $(O)-asan

-include $(shell find $(O) -name '*.d' 2>/dev/null)
