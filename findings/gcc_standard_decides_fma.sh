#!/usr/bin/env bash
# gcc 12.2.0 (x86-64): -std=c11 instead of -std=gnu11 switches fused multiply-adds off, and so does -ffp-contract=on.
#
# One would guess that the two standards differ in extensions of the language. But gcc takes every -std=c.. for a
# request to round each operation, -ffp-contract=off: a kernel for a processor with FMA runs a multiplication and an
# addition instead, and its numbers differ in the last bit from those of the same source under gnu11, the default of
# gcc. -ffp-contract=on, which in clang fuses within an expression and is clang's default whatever the standard, is
# understood by this gcc as off. Only -ffp-contract=fast and off mean the same to both.
#
# Below, the number of fused instructions for x * y + z in one expression and for p = x * y; p + z in two statements.
#
# Seen:   gcc: c11 0, gnu11 2, on 0, fast 2, off 0; clang 22.1.8 (ziglang 0.17.1): c11 1, gnu11 1, on 1, fast 2, off 0.
set -euo pipefail
version=$(gcc -dumpfullversion 2>&1) && target=$(gcc -dumpmachine) || true
case "$version ${target:-}" in
    "12."*" x86_64-"*) ;;
    *) echo "needs gcc 12 for x86-64; found: $version ${target:-}" && exit 2 ;;
esac
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check ziglang==0.17.1
export ZIG_GLOBAL_CACHE_DIR="$folder/global" ZIG_LOCAL_CACHE_DIR="$folder/local"
cat >kernel.c <<'C'
double expression(double x, double y, double z) { return x * y + z; }
double statements(double x, double y, double z) { double p = x * y; return p + z; }
C
fused() {
    "$@" -O2 -march=haswell -S kernel.c -o kernel.s 2>messages || { cat messages >&2 && return 1; }
    grep -c vfmadd kernel.s || true
}
for name in gcc clang; do
    command=(gcc)
    [ $name = gcc ] || command=(venv/bin/python -m ziglang cc -target x86_64-linux-gnu)
    seen=$name
    for flags in -std=c11 -std=gnu11 "-std=gnu11 -ffp-contract=on" "-std=c11 -ffp-contract=fast" \
        "-std=gnu11 -ffp-contract=off"; do
        seen+=" $(fused "${command[@]}" $flags)"
    done
    echo "$seen" | tee -a all
done
[ "$(paste -sd';' all)" = "gcc 0 2 0 2 0;clang 1 1 1 2 0" ]
