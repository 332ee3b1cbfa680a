#!/usr/bin/env bash
# safetensors 0.8.0: whether safetensors.numpy reads a file of bfloat16 depends on what else the process has imported.
#
# load_file looks the dtype up by its name. NumPy has no bfloat16, so the same call on the same file is a TypeError,
# until anything else imports ml_dtypes, as JAX does, which registers that name; from then on it returns an array.
# `load`, of the bytes of the file, is a KeyError in both cases, because it has a table of dtypes of its own. So a
# program that reads such files may work only as long as JAX is imported first.
#
# Seen:   before: load_file TypeError, load KeyError; after import ml_dtypes: load_file bfloat16, load KeyError
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 safetensors==0.8.0 ml_dtypes==0.6.0
seen=$(cd "$folder" && venv/bin/python - <<'PYTHON'
import json
import struct

from safetensors.numpy import load, load_file

header = json.dumps({"x": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}).encode()
content = struct.pack("<Q", len(header)) + header + b"\x80\x3f\x00\xc0"  # 1.0 and -2.0
with open("half.safetensors", "wb") as file:
    file.write(content)


def read(function, argument):
    try:
        return str(function(argument)["x"].dtype)
    except Exception as error:
        return type(error).__name__


def both():
    return f"{read(load_file, 'half.safetensors')} {read(load, content)}"


before = both()
import ml_dtypes  # noqa: E402, F401

print(before, "|", both())
PYTHON
)
echo "$seen"
[ "$seen" = "TypeError KeyError | bfloat16 KeyError" ]
