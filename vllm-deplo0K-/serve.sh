#!/usr/bin/env bash
set -euo pipefail
vllm serve test/llama-8b \
  --tensor-parallel-size 2 \
  --host 127.0.0.1
