#!/usr/bin/env bash
set -euo pipefail
docker run \
  --detach \
  --restart unless-stopped \
  --name vllm-llama-8b \
  --gpus 2 \
  --ipc host \
  --ulimit memlock=-1 --ulimit stack=67108864 \
  --publish 127.0.0.1:8000:8000 \
  --volume "${HF_HOME:-$HOME/.cache/huggingface}:/root/.cache/huggingface" \
  --volume vllm-cache:/root/.cache/vllm \
  --env HF_TOKEN \
  --health-cmd 'python3 -c "import sys, urllib.request as r; r.urlopen(sys.argv[1], timeout=4)" http://127.0.0.1:8000/health' \
  --health-interval 10s --health-timeout 5s --health-retries 3 \
  --health-start-period 3600s \
  --entrypoint vllm \
  vllm/vllm-openai:v0.33.0 \
  serve test/llama-8b \
  --tensor-parallel-size 2 \
  --host 0.0.0.0
