#!/usr/bin/env bash
# Pre-train on one or several machines. Start it on every machine with the same arguments:
#
#   runs/multinode.sh RECIPE OUT [KEY=VALUE]...
#
# OUT and the shards lie on a file system that all machines see. What varies comes from the environment:
#
#   NODES=4            machines, or LEAST:MOST, such as 1:4: the run begins with LEAST and goes on with those
#                      that are there when one comes or goes
#   GPUS_PER_NODE=8    processes a machine; on processors alone as many as you want ranks
#   HEAD=node0:29500   a machine of them and a free port, where they meet; one machine needs none
#   RUN_ID=base        a name the machines of one run have in common
#   RESTARTS=3         how often a run that lost a process is begun again from its last checkpoint
set -euo pipefail

recipe=${1:?usage: runs/multinode.sh RECIPE OUT [KEY=VALUE]...}
out=${2:?usage: runs/multinode.sh RECIPE OUT [KEY=VALUE]...}
shift 2

export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}

exec "${PYTHON:-python}" -m torch.distributed.run \
  --nnodes="${NODES:-1}" \
  --nproc-per-node="${GPUS_PER_NODE:-1}" \
  --rdzv-backend=c10d \
  --rdzv-endpoint="${HEAD:-localhost:0}" \
  --rdzv-id="${RUN_ID:-erya}" \
  --max-restarts="${RESTARTS:-3}" \
  -m erya pretrain "$recipe" --out "$out" "$@"
