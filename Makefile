# Thin on purpose: each target is a script in tools/ that can be read and run on its own.

# Where rustup puts cargo, for shells that were not told.
export PATH := $(PATH):$(HOME)/.cargo/bin
export CLIP PREFIX

.PHONY: help demo test bench train-setup install uninstall clean

help:
	@echo 'make demo                  restyle a clip and show it beside the original'
	@echo 'make demo CLIP=film.mp4    the same with a film of your own'
	@echo 'make test                  run all checks and tests'
	@echo 'make bench                 measure against PyTorch and onnxruntime (downloads some GB)'
	@echo 'make train-setup           fetch libtorch (1.3 GB) and build nca-train, which makes models'
	@echo 'make install               install for this user, in ~/.local'
	@echo 'make install PREFIX=DIR    install below DIR'
	@echo 'make uninstall             remove what was installed'
	@echo 'make clean                 remove what was built, and the folder demo'
	@echo
	@echo 'demo, test, train-setup and install first install the Debian packages that are missing, and say so.'

demo:
	@tools/demo.sh

test:
	@tools/test.sh

bench:
	@tools/bench/bench.sh

train-setup:
	@tools/train-setup.sh

install:
	@tools/install.sh

uninstall:
	@tools/install.sh remove

clean:
	cargo clean
	rm -rf demo
