#!/usr/bin/env bash
# ziglang 0.17.1: `zig cc` without a target compiles for the processor of the machine, as with -march=native.
#
# One would guess what gcc and clang do: code for every x86-64, unless -march says otherwise. So a wheel built with
# CC="python -m ziglang cc" needs the processor of the machine that built it. To name the machine's own target, which
# looks like no change, makes the code general again. The usual question to a compiler, `-dM -E -`, does not show this:
# a source from the standard input is read without the features of the processor, unless -x c is given. And
# -march=x86-64, as gcc and clang spell it, is an error; here it is -march=x86_64 or -mcpu=baseline.
#
# Seen (on a processor with AVX2): without a target: with AVX2; -target x86_64-linux-gnu: without; -mcpu=baseline:
#         without; `-dM -E -`: 0 lines with __AVX2__; -march=x86-64: "error: unknown CPU: 'x86'".
set -euo pipefail
grep -qw avx2 /proc/cpuinfo 2>/dev/null || { echo "needs Linux on an x86-64 processor with AVX2" && exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check ziglang==0.17.1
export ZIG_GLOBAL_CACHE_DIR="$folder/global" ZIG_LOCAL_CACHE_DIR="$folder/local"
cat >which.c <<'C'
#ifdef __AVX2__
const char features[] = "with AVX2";
#else
const char features[] = "without AVX2";
#endif
C
zig() { venv/bin/python -m ziglang cc "$@"; }
compiled() { zig "$@" -c which.c -o which.o && grep -aoE "with(out)? AVX2" which.o; }
asked=$(zig -dM -E - </dev/null | grep -c __AVX2__ || true)
seen="$(compiled); $(compiled -target x86_64-linux-gnu); $(compiled -mcpu=baseline); asked: $asked"
seen+="; $({ zig -march=x86-64 -c which.c -o which.o 2>&1 || true; } | grep error)"
echo "$seen"
[ "$seen" = "with AVX2; without AVX2; without AVX2; asked: 0; error: unknown CPU: 'x86'" ]
