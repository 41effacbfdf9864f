#!/usr/bin/env bash
#SBATCH --job-name=erya
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=64
#SBATCH --time=24:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue
# sbatch runs/slurm.sh RECIPE OUT [KEY=VALUE]...
#
# One task a machine; torchrun starts a process for each of its devices. Two minutes before the time is up the
# run is asked to end, which leaves a checkpoint; the same command goes on from there.
set -euo pipefail

nodes=$(scontrol show hostnames "$SLURM_JOB_NODELIST")
export NODES=$SLURM_JOB_NUM_NODES
export GPUS_PER_NODE=${SLURM_GPUS_ON_NODE:-8}
export HEAD=$(head -n 1 <<<"$nodes"):29500
export RUN_ID=$SLURM_JOB_ID

exec srun --kill-on-bad-exit=1 runs/multinode.sh "$@"
