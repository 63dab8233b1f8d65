#!/usr/bin/env bash
# How far does the mean of a column move under noise? A pipeline in constant memory for each level.
#
#     bash pipeline.sh sensors.csv.gz temperature 1% 5% 25%
set -euo pipefail

file=$1 column=$2
shift 2

mean() {
    awk -F, -v column="$column" '
        NR == 1 { for (i = 1; i <= NF; i++) if ($i == column) at = i; next }
        $at != "" { sum += $at; n++ }
        END { print sum / n }'
}

echo "level,mean"
echo "0%,$(zcat "$file" | mean)"
for level in "$@"; do
    echo "$level,$(zcat "$file" | noisify -c "$column" -s "$level" --seed 42 -q | mean)"
done
