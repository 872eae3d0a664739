#!/usr/bin/env bash
set -euo pipefail
curl --fail-with-body --silent --show-error http://127.0.0.1:8000/v1/chat/completions \
  --header 'Content-Type: application/json' \
  --data '{"model": "test/llama-8b", "messages": [{"role": "user", "content": "Say hello in five words."}], "max_tokens": 64}'
