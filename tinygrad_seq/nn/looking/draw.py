"""DRAW: an image is read and drawn in several steps, each of which looks at what is still missing.

A variational autoencoder whose encoder and decoder are LSTMs. At every step the encoder reads the image and the
difference between the image and the canvas, a latent variable is drawn, and the decoder adds something to the
canvas. Without the encoder, latent variables drawn from N(0, 1) give new images.
"""

from __future__ import annotations

import math
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_seq.engine.errors import describe
from tinygrad_seq.nn import init
from tinygrad_seq.nn.cells.cell import Cell, start
from tinygrad_seq.nn.cells.combinators import LearnedStart
from tinygrad_seq.nn.cells.fitting import refuse_sequence
from tinygrad_seq.nn.cells.lstm import LSTMCell
from tinygrad_seq.nn.cells.state import State, parts
from tinygrad_seq.nn.layers import Linear
from tinygrad_seq.nn.looking.window import Window, placed
from tinygrad_seq.nn.losses import binary_cross_entropy_with_logits
from tinygrad_seq.nn.module import Input, Module, Parameter, natural, naturals
from tinygrad_seq.ops.creation import zeros_like
from tinygrad_seq.ops.elementwise import square
from tinygrad_seq.ops.exponential import exp, sigmoid
from tinygrad_seq.ops.joining import concatenate, split
from tinygrad_seq.ops.reduction import sum as total
from tinygrad_seq.ops.shape import broadcast_to, reshape
from tinygrad_seq.scan import scan
from tinygrad_seq.tensor.creation import as_tensor
from tinygrad_seq.tensor.tensor import Tensor

Canvas = tuple[Tensor, State, State]  # c (B, H, W), the states of the encoder and of the decoder


class Drawn(NamedTuple):
    """What a step of a `DRAW` draws a latent variable from, and the windows through which it reads and writes.

    mean, log_sigma  of z, both (B, Z)
    read, write      a `Window`; None if there is no attention

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> model = nn.DRAW((9, 7), latent=2, hidden=4, read=5, rng=0)
    >>> _, drawn = model.steps(np.zeros((2, 9, 7)), np.ones((6, 2, 2), np.float32))
    >>> drawn.mean.shape, drawn.read.rows.shape, drawn.write is None
    ((6, 2, 2), (6, 2, 5, 9), True)
    """

    mean: Tensor
    log_sigma: Tensor
    read: Window | None
    write: Window | None


class DRAW(Module):
    """The deep recurrent attentive writer (Gregor, Danihelka, Graves, Rezende & Wierstra 2015), for images x.

        x^ = x - sigmoid(c),   r = [read(x); read(x^)]       through a window that h^dec chooses
        h^enc' = encoder(h^enc, [r; h^dec])
        mu, log sigma = h^enc' M + m,   z = mu + sigma eps,  eps ~ N(0, 1)
        h^dec' = decoder(h^dec, z)
        c' = c + write(h^dec' A + a)                          through another window, that h^dec' chooses

    size     (H, W), of the images
    latent   the size Z of z
    hidden   the size of both LSTMs
    read     the filters N of the window that reads, N x N; None to read whole images, without attention
    write    those of the window that writes; None to write whole images

    The canvas c and the states of both LSTMs before the first step are learned. The logits of the pixels after
    T steps are c_T. Matrices are drawn from N(0, 1/inputs), with which the first 3,000 steps get 10 nats
    further than with those of `LSTMCell` and `Linear`; the biases of the forget gates are 1, those of the other
    gates 0. Raises ValueError if a size is not positive.

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> rng, model = np.random.default_rng(0), nn.DRAW((28, 28), latent=10, hidden=64, read=5, write=5, rng=0)
    >>> images = rng.random((3, 28, 28)) < 0.2
    >>> noise = rng.standard_normal((8, 3, 10), np.float32)                  # 8 steps
    >>> missed, divergence = model.bound(images, noise)
    >>> (missed + divergence).mean().backward()
    >>> model.generate(noise).shape                                          # the pixels after every step
    (8, 3, 28, 28)
    >>> shown, drawn = model.reconstruct(images, noise)
    >>> shown.shape, drawn.read.centre.shape, model.steps(images, noise)[0].shape
    ((8, 3, 28, 28), (8, 3, 2), (3, 28, 28))

    The two halves of a step, by which models with other losses can be built:

    >>> z = drawn.mean[0]
    >>> canvas, encoder, decoder = model.initial_state(3, like=z)
    >>> encoder, mean, log_sigma, _ = model.encode((canvas, encoder, decoder), images)
    >>> canvas, decoder, window = model.decode(canvas, decoder, z)
    >>> mean.shape, canvas.shape, window.centre.shape
    ((3, 10), (3, 28, 28), (3, 2))
    """

    def __init__(
        self,
        size: tuple[int, int],
        *,
        latent: int,
        hidden: int,
        read: int | None = None,
        write: int | None = None,
        rng: init.Rng = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        sizes = naturals(self, "size", size)
        if len(sizes) != 2:
            raise ValueError(f"DRAW needs the size (H, W) of its images, got {size}")
        self.size = height, width = sizes
        self.read, self.write = (
            n if n is None else natural(self, name, n) for name, n in (("read", read), ("write", write))
        )
        self.latent, hidden = natural(self, "latent", latent), natural(self, "hidden", hidden)
        rng, pixels = np.random.default_rng(rng), height * width

        def lstm(inputs: int) -> LearnedStart:
            cell = LSTMCell(inputs, hidden, rng=rng, dtype=dtype)
            cell.b.assign_(init.forget_bias(hidden, dtype=dtype))
            for matrix in (cell.Wx, cell.Wh):
                redrawn(matrix)
            return LearnedStart(cell, dtype=dtype)

        def linear(outputs: int) -> Linear:
            layer = Linear(hidden, outputs, rng=rng, dtype=dtype)
            redrawn(layer.weight)
            return layer

        def redrawn(matrix: Parameter) -> None:
            matrix.assign_((rng.standard_normal(matrix.shape) / math.sqrt(len(matrix))).astype(dtype))

        seen = pixels if self.read is None else self.read**2
        self.encoder, self.decoder = lstm(2 * seen + hidden), lstm(self.latent)
        self.reading = None if self.read is None else linear(5)
        self.writing = None if self.write is None else linear(5)
        self.latents = linear(2 * self.latent)
        self.patch = linear(pixels if self.write is None else self.write**2)
        self.canvas = Parameter(init.zeros(self.size, dtype=dtype))

    # --- a step -------------------------------------------------------------------------------------------

    def encode(self, state: Canvas, images: Input) -> tuple[State, Tensor, Tensor, Window | None]:
        """The state of the encoder after a look, mu and log sigma (B, Z), and the window."""
        canvas, encoder, decoder = state
        images = as_tensor(images).astype(canvas.dtype)
        h, _ = cast(tuple[Tensor, Tensor], decoder)
        images, missing = broadcast_to(images, canvas.shape), images - sigmoid(canvas)
        seen, through = [images, missing], None
        if self.reading is not None and self.read is not None:
            through = placed(self.reading(h), self.size, self.read, like=self.canvas)
            seen = [through.read(images), through.read(missing)]
        flat = [reshape(part, (len(part), math.prod(part.shape[1:]))) for part in seen]
        encoder, y = self.encoder(encoder, concatenate([*flat, h], axis=-1))
        mean, log_sigma = split(self.latents(y), 2, axis=-1)
        return encoder, mean, log_sigma, through

    def decode(self, canvas: Tensor, state: State, z: Tensor) -> tuple[Tensor, State, Window | None]:
        """The canvas and the state of the decoder after a step with the latent variable z, and the window."""
        state, h = self.decoder(state, z)
        if self.writing is None or self.write is None:
            return canvas + reshape(self.patch(h), canvas.shape), state, None
        through = placed(self.writing(h), self.size, self.write, like=self.canvas)
        patch = reshape(self.patch(h), (len(canvas), self.write, self.write))
        return canvas + through.write(patch), state, through

    def initial_state(self, batch: int, like: Tensor) -> Canvas:
        """The learned canvas and states before the first step, for `batch` rows."""
        canvas = zeros_like(like, shape=(batch, *self.size)) + self.canvas
        return canvas, self.encoder.initial_state(batch, like), self.decoder.initial_state(batch, like)

    # --- all steps ----------------------------------------------------------------------------------------

    def bound(self, images: Input, noise: Input) -> tuple[Tensor, Tensor]:
        """L^x and L^z, both (B,), in nats; their sum bounds -log p(x) from above, on the mean over the noise.

            L^x = -log Bernoulli(x; sigmoid c_T)
            L^z = 1/2 sum_t sum_d (mu_td^2 + sigma_td^2 - log sigma_td^2 - 1)

        images  x (B, H, W): 0 or 1, numbers between them, or booleans
        noise   eps (T, B, Z), drawn from N(0, 1)

        Raises ValueError if images or noise have other shapes.
        """
        canvas, drawn = self.steps(images, noise)
        x = broadcast_to(as_tensor(images).astype(canvas.dtype), canvas.shape)
        missed = binary_cross_entropy_with_logits(canvas, x, reduction="none")
        variance = exp(2.0 * drawn.log_sigma)
        each = (square(drawn.mean) + variance - 2.0 * drawn.log_sigma - 1.0) / 2.0
        return total(missed, (1, 2)), total(each, (0, 2))

    def steps(self, images: Input, noise: Input) -> tuple[Tensor, Drawn]:
        """The canvas c_T (B, H, W), and `Drawn` for all steps, with a first axis T."""
        cell, state, noise = self._begun(images, noise)
        (canvas, _, _), drawn = scan(cell, state, noise)
        return canvas, drawn

    def reconstruct(self, images: Input, noise: Input) -> tuple[Tensor, Drawn]:
        """The probabilities sigmoid(c_t) (T, B, H, W) after every step, and `Drawn`: the paper's pictures."""
        cell, state, noise = self._begun(images, noise)

        def step(state: State, x: Tensor) -> tuple[State, tuple[Tensor, Drawn]]:
            state, drawn = cell(state, x)
            return state, (sigmoid(state[0]), drawn)

        _, (shown, drawn) = scan(step, state, noise)
        return shown, drawn

    def _begun(self, images: Input, noise: Input) -> tuple[DRAWCell, State, Tensor]:
        """The cell for these images, its initial state, and the noise as a tensor (T, B, Z)."""
        cell, noise = DRAWCell(self, images), as_tensor(noise)
        refuse_sequence("DRAW", noise, self.latent)
        return cell, start(cell, noise.shape[1], like=noise), noise

    def generate(self, latents: Input) -> Tensor:
        """The probabilities of the pixels after every step, (T, B, H, W), for z (T, B, Z) from N(0, 1)."""
        latents = as_tensor(latents)
        refuse_sequence("DRAW", latents, self.latent)
        canvas, _, decoder = self.initial_state(latents.shape[1], like=latents)

        def step(state: tuple[Tensor, State], z: Tensor) -> tuple[tuple[Tensor, State], Tensor]:
            canvas, decoder, _ = self.decode(*state, z)
            return (canvas, decoder), sigmoid(canvas)

        return cast(Tensor, scan(step, (canvas, decoder), latents)[1])


class DRAWCell(Cell):
    """One step of a `DRAW` for a batch of images, as a cell; the equations are there.

    The input is eps (B, Z). The state is (c (B, H, W), the state of the encoder, the state of the decoder). The
    output is `Drawn`.

    images  x (B, H, W), or (H, W), one image for all rows; they are converted to the dtype of the model

    Raises ValueError if images have another shape, or are for another batch size.

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> cell = nn.DRAWCell(nn.DRAW((9, 7), latent=2, hidden=4, read=3, write=3, rng=0), np.zeros((2, 9, 7)))
    >>> drawn, (c, encoder, decoder) = nn.Recurrent(cell)(np.ones((6, 2, 2), np.float32))
    >>> c.shape, drawn.mean.shape, drawn.read.centre.shape
    ((2, 9, 7), (6, 2, 2), (6, 2, 2))
    """

    def __init__(self, model: DRAW, images: Input) -> None:
        images = as_tensor(images)
        self.model, self.input_size = model, model.latent
        if images.ndim not in (2, 3) or images.shape[-2:] != model.size:
            height, width = model.size
            raise ValueError(f"DRAW needs images (B, {height}, {width}), got {describe(images)}")
        self.images = images.astype(model.canvas.dtype)  # wider images would make the state wider, too

    def initial_state(self, batch: int, like: Tensor) -> Canvas:
        """The learned canvas and states."""
        return self.model.initial_state(batch, like)

    def __call__(self, state: State, x: Tensor) -> tuple[Canvas, Drawn]:
        canvas, encoder, decoder = cast(Canvas, parts(self, state, 3, "parts (canvas, encoder, decoder)"))
        if self.images.ndim == 3 and len(self.images) != len(x):  # one image would broadcast
            raise ValueError(
                f"DRAW needs noise for each image, got images {describe(self.images)} and {describe(x)}"
            )
        encoder, mean, log_sigma, read = self.model.encode((canvas, encoder, decoder), self.images)
        z = mean + exp(log_sigma) * x
        canvas, decoder, write = self.model.decode(canvas, decoder, z)
        return (canvas, encoder, decoder), Drawn(mean, log_sigma, read, write)
