"""Muon, for networks of convolutions, on any Keras backend."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

#: Coefficients of the quintic Newton-Schulz iteration, and how often it runs (Jordan 2024,
#: https://kellerjordan.github.io/posts/muon).
_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5


def orthogonalize(matrix: Any) -> Any:
    """Move the singular values of a matrix towards 1, roughly: to between 0.7 and 1.2.

    Parameters
    ----------
    matrix : tensor, shape (rows, cols)

    Returns
    -------
    tensor, shape (rows, cols)
    """
    a, b, c = _NEWTON_SCHULZ
    tall = matrix.shape[0] > matrix.shape[1]
    x = ops.transpose(matrix) if tall else matrix
    x = x / (ops.norm(x) + 1e-12)
    for _ in range(_ITERATIONS):
        gram = ops.matmul(x, ops.transpose(x))
        x = a * x + ops.matmul(b * gram + c * ops.matmul(gram, gram), x)
    return ops.transpose(x) if tall else x


class Muon(keras.optimizers.Optimizer):
    """Orthogonalised momentum for the kernels of the body, Adam for the rest.

    A kernel of shape (rows, cols, in, out) is taken as the matrix (rows * cols * in, out), and
    its update has all singular values near 1, times ``sqrt(max(1, out / (rows * cols * in)))``.

    Parameters
    ----------
    learning_rate : float
        Of Adam.
    body_ratio : float
        How many times `learning_rate` the body's kernels move.
    body : str
        What the path of a variable contains if it belongs to the body.
    tail_ratio : float
        How many times the rate the last layer moves: a step moves each of its outputs by about
        the rate times the features that it sums, which is much where the output is small.
    momentum : float
        Of the body's kernels, in Nesterov's form.
    beta_1, beta_2, epsilon : float
        Of Adam.
    **kwargs
        As of any Keras optimizer.
    """

    def __init__(
        self,
        learning_rate: float = 1e-3,
        *,
        body_ratio: float = 20.0,
        body: str = "block",
        tail_ratio: float = 1.0,
        momentum: float = 0.95,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        epsilon: float = 1e-9,
        name: str = "muon",
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.body_ratio, self.body, self.momentum = body_ratio, body, momentum
        self.tail_ratio = tail_ratio
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def is_body(self, variable: Any) -> bool:
        """Whether a variable is a kernel of the body."""
        return self.body in variable.path and len(variable.shape) >= 2

    def build(self, variables: list[Any]) -> None:
        """Make the moments of the variables."""
        if self.built:
            return
        super().build(variables)
        self._is_tail = ["tail" in variable.path for variable in variables]
        self._first, self._second = [], []
        for variable in variables:
            self._first.append(self.add_variable_from_reference(variable, name="first"))
            self._second.append(
                None
                if self.is_body(variable)
                else self.add_variable_from_reference(variable, name="second")
            )

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Move one variable by one step."""
        rate = ops.cast(learning_rate, variable.dtype)
        gradient = ops.cast(gradient, variable.dtype)
        index = self._get_variable_index(variable)
        first, second = self._first[index], self._second[index]
        if second is None:
            self.assign(first, self.momentum * first + gradient)
            matrix = ops.reshape(gradient + self.momentum * first, (-1, variable.shape[-1]))
            scale = max(1.0, matrix.shape[1] / matrix.shape[0]) ** 0.5
            update = ops.reshape(orthogonalize(matrix), variable.shape)
            self.assign_sub(variable, self.body_ratio * scale * rate * update)
            return
        if self._is_tail[index]:
            rate = rate * self.tail_ratio
        step = ops.cast(self.iterations + 1, variable.dtype)
        self.assign(first, self.beta_1 * first + (1 - self.beta_1) * gradient)
        self.assign(second, self.beta_2 * second + (1 - self.beta_2) * ops.square(gradient))
        mean = first / (1 - ops.power(self.beta_1, step))
        variance = second / (1 - ops.power(self.beta_2, step))
        self.assign_sub(variable, rate * mean / (ops.sqrt(variance) + self.epsilon))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        names = (
            "body_ratio", "body", "tail_ratio", "momentum", "beta_1", "beta_2", "epsilon"
        )  # fmt: skip
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
