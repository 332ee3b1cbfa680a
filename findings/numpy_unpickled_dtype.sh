#!/usr/bin/env bash
# numpy 2.4.6: the dtype of an array that comes out of a pickle equals np.dtype("float64") but is not that object.
#
# Dtypes of numbers look like singletons: np.ones(3).dtype is np.dtype("float64"), and views, copies, deep copies and
# np.load of a .npy file keep it so. An unpickled array has a dtype object of its own. Code that compares dtypes with
# `is`, or keeps them in a table by id, is right in every test and wrong for data that another process sent
# (multiprocessing, joblib and MPI's lower-case calls pickle).
#
# Seen:   new, deepcopy, npy: is and ==; pickled: == only.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6
seen=$("$folder/venv/bin/python" - <<'PYTHON'
import copy
import io
import pickle

import numpy as np


def through_npy(a):
    file = io.BytesIO()
    np.save(file, a)
    file.seek(0)
    return np.load(file)


double = np.dtype("float64")
for way in (np.copy, copy.deepcopy, through_npy, lambda a: pickle.loads(pickle.dumps(a))):
    dtype = way(np.ones(3)).dtype
    print(dtype is double, dtype == double, end="; ")
PYTHON
)
echo "$seen"
[ "$seen" = "True True; True True; True True; False True; " ]
