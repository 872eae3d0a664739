#!/usr/bin/env bash
#SBATCH --job-name=vllm-llama-8b
#SBATCH --output=vllm-llama-8b-%j.log
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=2
#SBATCH --cpus-per-task=16
#SBATCH --time=24:00:00
set -euo pipefail

serve() {
  vllm serve test/llama-8b \
  --tensor-parallel-size 2 \
  --host 127.0.0.1
}
export -f serve
srun bash -c 'set -euo pipefail; serve'
