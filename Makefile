# SiameseIM in C.  `make help` lists the targets.
#
# Rooms (folders) and who may call whom: each room is compiled with include paths for itself and the rooms
# above it only, so a wrong include does not build.

O      ?= build
ifeq ($(origin CC),default)
CC     := gcc
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

sources  = $(wildcard $(1)/*.c) $(if $(filter core/ops,$(1)),$(wildcard core/ops/cpu/*.c))
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

.PHONY: all deps quickstart test sanitize fuzz bench peers clean help format
all: $(TOOL)

$(TOOL): $(MAIN) $(call archives,$(ROOMS))
	$(CC) $(CFLAGS) $(BASE) -o $@ $(MAIN) -Wl,--start-group $(call archives,$(ROOMS)) -Wl,--end-group $(LDFLAGS) $(LIBS)

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
$(O)/core/ops/cpu/pixels%.o: BASE += -ffp-contract=off

$(O)/core/ops/cpu/isa/%.v3.o: core/ops/cpu/isa/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(BASE) -DSIM_ISA=v3 -Icore/base -Icore/ops -MMD -MP -c -o $@ $<
$(O)/core/ops/cpu/isa/%.v4.o: core/ops/cpu/isa/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(BASE) -march=x86-64-v4 -mprefer-vector-width=512 -DSIM_ISA=v4 -Icore/base -Icore/ops -MMD -MP -c -o $@ $<
$(O)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(BASE) $(CPPFLAGS) $(INCLUDES) -MMD -MP -c -o $@ $<

# ------------------------------------------------------------------ tests
# A test in tests/ROOM/ links the rooms that ROOM sees.  Each test_*.c is a Check program, with which
# the room's other .c files are linked; tests/run adds them up.
SEES_tests/base     := core/base
SEES_tests/ops      := $(SEES_core/ops)
SEES_tests/model    := $(SEES_core/train)
SEES_tests/datasets := $(SEES_datasets)
SEES_tests/eval     := $(SEES_core/eval)
SEES_tests/results  := $(SEES_results)
SEES_tests/driver   := $(ROOMS)
TEST_ROOMS := base ops model datasets eval results driver
test_bins   = $(patsubst tests/%.c,$(O)/tests/%,$(wildcard tests/$(1)/test_*.c))
test_common = $(patsubst %.c,$(O)/%.o,$(filter-out tests/$(1)/test_%,$(wildcard tests/$(1)/*.c)))
TEST_BINS  := $(foreach r,$(TEST_ROOMS),$(call test_bins,$(r)))

define test_rules
$(call test_bins,$(1)): $(O)/tests/%: $(O)/tests/%.o $(call test_common,$(1)) $(O)/tests/support/support.o $(call archives,$(SEES_tests/$(1)))
	$(CC) $(CFLAGS) $(BASE) -o $$@ $$< $(call test_common,$(1)) $(O)/tests/support/support.o -Wl,--start-group $(call archives,$(SEES_tests/$(1))) -Wl,--end-group $(LDFLAGS) -lcheck -lsubunit -lrt $(LIBS)
$(addsuffix .o,$(call test_bins,$(1))) $(call test_common,$(1)): INCLUDES = $(call includes,$(SEES_tests/$(1)) tests/support)
endef
$(foreach r,$(TEST_ROOMS),$(eval $(call test_rules,$(r))))
$(O)/tests/support/support.o: INCLUDES = -Icore/base -Itests/support
.PRECIOUS: $(O)/%.o

# ------------------------------------------------------------------ benchmarks
# benchmarks/bench_*.c are programs; the folder's other files are linked with each of them.
BENCH_COMMON := $(patsubst %.c,$(O)/%.o,$(filter-out benchmarks/bench_%,$(wildcard benchmarks/*.c)))
BENCH_BINS   := $(patsubst %.c,$(O)/%,$(wildcard benchmarks/bench_*.c))
$(BENCH_BINS): $(O)/%: $(O)/%.o $(BENCH_COMMON) $(call archives,$(ROOMS))
	$(CC) $(CFLAGS) $(BASE) -o $@ $< $(BENCH_COMMON) -Wl,--start-group $(call archives,$(ROOMS)) -Wl,--end-group $(LDFLAGS) $(LIBS)
$(BENCH_COMMON) $(addsuffix .o,$(BENCH_BINS)): INCLUDES = $(call includes,$(SEES_ALL) benchmarks)

ROUNDS ?= 3
SHAPES ?= # all
bench: deps
	@$(MAKE) --no-print-directory $(JOBS) bench-built
	@$(O)/benchmarks/bench_step --rounds $(ROUNDS) --peers $(O)/peers --out $(O)/bench.json $(SHAPES)
	@$(O)/benchmarks/bench_beside_pillow --rounds $(ROUNDS) --peers $(O)/peers --out $(O)/bench_images.json \
	  $(O)/benchmarks/bench_images $(O)/bench_images
.PHONY: bench-built
bench-built: $(BENCH_BINS)

# The copy of the list is made last: where it stands, the environment is complete.
PYTHON ?= python3
peers: $(O)/peers/requirements.txt
$(O)/peers/requirements.txt: benchmarks/peers/requirements.txt
	@$(PYTHON) -c 'import ensurepip, sys; sys.exit(sys.version_info[:2] != (3, 11))' || { \
	  echo 'make peers needs Python 3.11 with venv (Debian 12: python3-venv); another one than $(PYTHON): PYTHON=...'; exit 1; }
	$(PYTHON) -m venv $(O)/peers
	$(O)/peers/bin/python -m pip install --disable-pip-version-check --only-binary :all: -r $<
	@cp $< $@

# ------------------------------------------------------------------ targets for people
PACKAGES := gcc make libdnnl-dev libyaml-dev libjansson-dev libxxhash-dev libjpeg62-turbo-dev libspng-dev \
            zlib1g-dev libarchive-dev liblbfgs-dev check libsubunit-dev gnuplot-nox fonts-dejavu-core
SUDO     := $(if $(filter 0,$(shell id -u)),,sudo)

help:
	@printf '%s\n' \
	  'make              build $(TOOL)' \
	  'make quickstart   install what is missing, build, pre-train and score four small encoders, show table and plots' \
	  'make test         install what is missing, build, run every test' \
	  'make sanitize     the same tests under AddressSanitizer and UBSan' \
	  'make bench        images per second, beside the products alone and PyTorch (ROUNDS=3, SHAPES="vit_ti_64 ...")' \
  'make peers        PyTorch, torchvision, Pillow and timm for make bench, under $(O)/peers (3 GB)' \
  'make deps         install the Debian packages that are missing' \
	  'make fuzz         throw hostile YAML, safetensors, images and archives at the readers (clang; FUZZ_SECONDS=60 each)' \
	  'make format       lay every source file out by .clang-format' \
	  'make clean        remove what was built' \
	  '' \
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
	SIM_TOOL=$(TOOL) SIM_PEERS_PYTHON=$(O)/peers/bin/python tests/run $(TEST_BINS)
.PHONY: tests-built
tests-built: $(TOOL) $(TEST_BINS)

sanitize:
	$(MAKE) O=$(O)-asan CFLAGS='-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all' \
	  LDFLAGS='-fsanitize=address,undefined' test

# ------------------------------------------------------------------ fuzzing (libFuzzer, so clang)
# Each tests/fuzz/fuzz_NAME.c runs for FUZZ_SECONDS.  Corpora grow under $(O)/fuzz/corpus and are used again; an input
# that breaks something is kept as $(O)/fuzz/NAME-*, and running the fuzzer on it repeats the failure.
FUZZ_SECONDS ?= 60
FUZZERS    := yaml safetensors image archive
FUZZ_ROOMS := $(wildcard core/base/*.c datasets/*.c core/ops/cpu/pixels_*.c) tests/fuzz/seeds.c
FUZZ_FLAGS := -O1 -g -std=c11 -D_GNU_SOURCE -march=x86-64-v3 -fno-sanitize-recover=all
$(O)/fuzz/%.o: %.c
	@mkdir -p $(@D)
	clang $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link,address,undefined \
	  $(call includes,$(SEES_datasets) tests/base tests/fuzz) -MMD -MP -c -o $@ $<
.PRECIOUS: $(O)/fuzz/%.o
$(O)/fuzz/rooms.a: $(FUZZ_ROOMS:%.c=$(O)/fuzz/%.o)
	@rm -f $@; ar rcs $@ $^
$(O)/fuzz/fuzz_%: $(O)/fuzz/tests/fuzz/fuzz_%.o $(O)/fuzz/rooms.a
	clang -fsanitize=fuzzer,address,undefined -o $@ $^ -lyaml -ljansson -lxxhash -ljpeg -lspng -lz -larchive -lpthread -lm

fuzz: $(FUZZERS:%=$(O)/fuzz/fuzz_%)
	@for f in $(FUZZERS); do \
	  echo "$$f: $(FUZZ_SECONDS) s of hostile input"; mkdir -p $(O)/fuzz/corpus/$$f; \
	  $(O)/fuzz/fuzz_$$f $(O)/fuzz/corpus/$$f -max_total_time=$(FUZZ_SECONDS) -max_len=16384 -timeout=20 -rss_limit_mb=3000 \
	    -artifact_prefix=$(O)/fuzz/$$f- -print_final_stats=1 > $(O)/fuzz/$$f.log 2>&1 || { tail -60 $(O)/fuzz/$$f.log; exit 1; }; \
	  sed -n "s/^stat::number_of_executed_units: */$$f: inputs without harm: /p" $(O)/fuzz/$$f.log; done

format:
	git ls-files '*.c' '*.h' ':!tests/reference' | xargs clang-format -i

clean:
	rm -rf $(O) $(O)-asan

-include $(shell find $(O) -name '*.d' 2>/dev/null)
