# A short wrapper around CMakePresets.json: every target is one or two preset commands.
PRESET ?= release
JOBS   ?= $(shell nproc)
BUILD   = build/$(PRESET)
RECIPE ?= two-layer

.PHONY: help train test bench build deps format format-check tidy asan tsan clean

help:
	@echo "make train         install what is missing, build, train recipes/$(RECIPE).toml and show the result"
	@echo "make test          install what is missing, build and run every test"
	@echo "make bench         measure gradatim and its peers in one run (see bench/METHOD.md)"
	@echo "make build | deps | clean   build alone; install every package; remove build/"
	@echo "make asan | tsan   the tests under AddressSanitizer + UBSan, or ThreadSanitizer"
	@echo "make tidy          clang-tidy over the whole tree, warnings as errors"
	@echo "make format        clang-format in place; format-check only reports"
	@echo "PRESET=dev JOBS=2 RECIPE=two-layer are the variables that can be set"

train:
	@scripts/install-deps train
	cmake --preset $(PRESET) -Wno-dev -DGRADATIM_TESTS=OFF
	cmake --build --preset $(PRESET) --target gradatim_app -j $(JOBS)
	$(BUILD)/bin/gradatim train $(RECIPE)

test:
	@scripts/install-deps test
	cmake --preset $(PRESET) -Wno-dev -DGRADATIM_TESTS=ON
	cmake --build --preset $(PRESET) -j $(JOBS)
	ctest --preset $(PRESET) -j $(JOBS)

build:
	cmake --preset $(PRESET) -Wno-dev
	cmake --build --preset $(PRESET) -j $(JOBS)

bench:
	@scripts/install-deps bench
	cmake --preset $(PRESET) -Wno-dev -DGRADATIM_BENCH=ON
	cmake --build --preset $(PRESET) -j $(JOBS)
	bench/workloads $(BUILD)
	bench/run $(BUILD)
	bench/numerical $(BUILD)

deps:
	@scripts/install-deps all

asan tsan:
	@scripts/install-deps test
	cmake --preset $@ -Wno-dev
	cmake --build --preset $@ -j $(JOBS)
	ctest --preset $@ -j $(JOBS)

tidy:
	@scripts/install-deps tidy
	cmake --preset tidy -Wno-dev
	cmake --build --preset tidy -j $(JOBS)

format:
	git ls-files '*.cpp' '*.hpp' '*-inl.h' | xargs clang-format-16 -i

format-check:
	@scripts/install-deps format
	git ls-files '*.cpp' '*.hpp' '*-inl.h' | xargs clang-format-16 --dry-run --Werror

clean:
	rm -rf build
