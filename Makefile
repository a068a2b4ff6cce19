# A thin front: tools/setup installs what is missing, Meson builds, tools/run-tests tests.
PREFIX ?= /usr/local
DESTDIR ?=
# Everything goes here; the release build is build/meson, and build/pearvisor is a link into it.
BUILD := build/meson

.PHONY: all build demo vm-demo test vm-test test-matrix swift-test coverage bench fuzz check-style
.PHONY: format install clean distclean help setup-%

all: build ## Build build/pearvisor and build/virgl/libvirglrenderer.so.1

setup-%:
	@tools/setup $*

$(BUILD)/build.ninja:
	@mkdir -p build
	@meson setup $(BUILD) --prefix $(PREFIX) >build/configure.log 2>&1 \
	    || { cat build/configure.log; exit 1; }

build: setup-build
	@$(MAKE) -s --no-print-directory $(BUILD)/build.ninja
	@tools/ninja -C $(BUILD)
	@ln -sfn meson/src/pearvisor build/pearvisor
	@mkdir -p build/virgl
	@ln -sfn ../meson/src/front/virgl/libvirglrenderer.so.1 build/virgl/libvirglrenderer.so.1

demo: setup-demo ## Draw natively and through PearVisor, compare, and leave pictures in build/demo/
	@$(MAKE) -s --no-print-directory build
	@build/pearvisor demo

test: setup-test setup-vm ## Run every test: gcc, ASan and UBSan, TSan, guests under QEMU
	@tools/run-tests

coverage: setup-test ## Show which commands and which of src/render the tests reach
	@PYTHONDONTWRITEBYTECODE=1 tools/coverage

bench: setup-bench ## Measure natively and through PearVisor; leaves build/bench/report.html
	@$(MAKE) -s --no-print-directory build
	@[ -d $(BUILD)/bench ] || meson setup --reconfigure $(BUILD) -Dtests=enabled >build/configure.log
	@tools/ninja -C $(BUILD) meson-benchmark-prereq bench/client/vulkan_bench
	@PYTHONDONTWRITEBYTECODE=1 bench/run.py

fuzz: setup-test ## Fuzz the GPU device for FUZZ_SECONDS (300); leaves build/fuzz/corpus
	@tools/run-fuzz gpu_fuzz

vm-demo: setup-vm setup-bench ## Boot guests that draw on this host's GPU; leaves build/vm/
	@$(MAKE) -s --no-print-directory build
	@[ -d $(BUILD)/bench ] || \
	    meson setup --reconfigure $(BUILD) -Dtests=enabled >build/configure.log
	@tools/ninja -C $(BUILD) bench/client/vulkan_bench
	@PYTHONDONTWRITEBYTECODE=1 tools/vm-demo

vm-test: setup-vm setup-test ## Boot guests and break what they stand on: the long form
	@tools/run-tests vm-long

test-matrix: setup-test setup-vm ## Compare guests and hosts of this Mesa and of Debian testing's
	@tools/run-tests matrix

swift-test: setup-swift ## Test the Swift package; unpacks a Debian with Swift where that is missing
	@tools/swift-test

check-style: setup-style ## Check formatting, include order and size limits
	@tools/check-style

format: setup-style ## Format the C code in place
	@git ls-files -z -- '*.c' '*.h' | xargs -0 -r clang-format -i

install: build ## Install to DESTDIR and PREFIX
	@meson configure $(BUILD) --prefix $(PREFIX) && ninja -C $(BUILD) build.ninja >build/configure.log
	@DESTDIR=$(DESTDIR) meson install -C $(BUILD) --quiet --no-rebuild

clean: ## Remove what was built, but not what was fetched
	@rm -rf build/meson build/asan build/tsan build/coverage build/pearvisor build/virgl \
	    build/demo build/*.log

distclean: clean ## Remove all of build/
	@rm -rf build

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
