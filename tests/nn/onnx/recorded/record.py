"""Writes torch.onnx, a network of PyTorch with random weights, with free numbers of steps and rows.

python tests/nn/onnx/recorded/record.py  # with torch 2.13.0 and onnx 1.23.2
"""

from pathlib import Path

import torch
from torch import nn

HERE = Path(__file__).parent
AXES = {0: "time", 1: "batch"}


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(20, 6)
        self.lstm = nn.LSTM(6, 5, num_layers=2, bidirectional=True)
        self.gru = nn.GRU(10, 4)
        self.rnn = nn.RNN(4, 3, nonlinearity="relu")
        self.norm = nn.LayerNorm(3)
        self.output = nn.Linear(3, 7)

    def forward(self, ids):
        ys, _ = self.lstm(self.embedding(ids))
        ys, _ = self.gru(ys)
        ys, h = self.rnn(ys)
        return torch.log_softmax(self.output(torch.tanh(self.norm(ys))), -1), h


if __name__ == "__main__":
    torch.manual_seed(0)
    ids = torch.randint(0, 20, (7, 3))
    free = {"input_names": ["ids"], "output_names": ["ys", "h"], "dynamic_axes": {"ids": AXES, "ys": AXES}}
    # of the other exporter (dynamo=True) only the first LSTM or GRU of a process keeps a free number of steps
    torch.onnx.export(Tagger().eval(), (ids,), str(HERE / "torch.onnx"), dynamo=False, opset_version=17, **free)
