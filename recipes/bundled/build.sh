#!/bin/sh
# The bundled models from the raw text: documents, vocabularies, shards, erya-mini. The same files give the same shards.
#   sh recipes/bundled/build.sh DATA WORK
# DATA has text/*.jsonl.xz and tasks/; everything is made in WORK. What is there is not made again, and a run that was
# stopped goes on. Two cores: a quarter of an hour for the documents, a few minutes for vocabularies and shards; the model
# 6,000 to 7,000 tokens a second, 12,000 where the processor has AMX.
#   TOKENS=100000000 sh recipes/bundled/build.sh DATA WORK    longer than the bundled one
#   THEN=small sh recipes/bundled/build.sh DATA WORK      erya-small in place of erya-mini, on a GPU
set -eu
here=$(cd "$(dirname "$0")" && pwd)
data=$(cd "$1" && pwd)
then=${THEN:-mini}
case $then in mini | small) ;; *) echo "THEN=$then: mini or small is wanted" >&2 && exit 2 ;; esac
mkdir -p "$2"
cd "$2"
if [ -d data ] && [ ! -L data ]; then echo "$2/data is in the way: choose another WORK" >&2 && exit 2; fi
ln -sfn "$data" data # so that no machine's place stands in what is made

[ -f demo_reviews.tsv ] || python - <<'PYTHON'
from pathlib import Path

from erya.demo.texts import load_texts

texts = load_texts()
rows = [review.text.replace("\t", " ") for review in (*texts.dev, *texts.test)]
Path("demo_reviews.tsv").write_text("\n".join(["text", *rows]) + "\n", encoding="utf-8")
PYTHON

[ -d documents ] || erya corpus clean data/text/*.jsonl.xz --recipe "$here/corpus.yaml" --out documents

# 12,000 was chosen: see the model card. The others are there to be measured.
for size in 8000 12000 16000; do
  [ -d "tokenizer-$size" ] || erya vocab train documents --size "$size" --out "tokenizer-$size"
done

# Modern text favoured; classical originals 6 in a hundred.
[ -d shards ] || erya corpus tokenize documents --tokenizer tokenizer-12000 --out shards --mix-size 120000000 \
  --weight news=30 --weight tech=20 --weight classics_modern=14 --weight reviews=9 --weight law=8 \
  --weight classics_original=6 --weight science=5 --weight wiki=5 --weight literature=3

case $then in
mini)
  erya pretrain "$here/../pretrain/zh-modern.yaml" data.shards=shards data.max_length=128 size=mini \
    train.max_tokens="${TOKENS:-50000000}" train.warmup_tokens=3000000 train.decay_ratio=0.2 \
    train.batch_tokens=4096 train.batch_ramp.from_tokens=1024 train.batch_ramp.over_tokens=4000000 \
    train.learning_rate=2e-3 train.eval_every_steps=2000 train.save_every_steps=1000 --out runs/mini
  ;;
small)
  erya pretrain "$here/../pretrain/zh-modern.yaml" data.shards=shards data.max_length=128 size=small \
    train.max_tokens="${TOKENS:-600000000}" train.batch_tokens=65536 \
    train.batch_ramp.from_tokens=8192 train.batch_ramp.over_tokens=30000000 \
    train.learning_rate=1.5e-3 train.eval_every_steps=1000 train.save_every_steps=500 --out runs/small
  ;;
esac
