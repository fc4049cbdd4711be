"""What there is to see of a message: how long its latents are, and which of them are alike.

Shapes: L latent steps, D the reader's hidden size.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_COMPARED = 96
"""Of a longer message, steps are left out evenly where each is held against each."""
THOUSANDTHS = 1000

Message = NDArray[np.float64]
"""[L, D]."""


def message_figures(message: Message, before: Message | None = None) -> dict[str, Any]:
    """A message's figures, `before` being what went over the same link a round before.

    `norms` are the latents' L2 norms. `before` are their cosines to the same step a round before, None
    without one of the same shape. `similarity` holds the cosine of each of the steps in `compared` to each
    later one, row by row, in thousandths. A latent of zeros has no cosine, one with an overflow in it no norm
    either: None stands there.
    """
    compared = np.arange(0, len(message), max(1, -(-len(message) // MAX_COMPARED)))
    directions = _directions(message[compared])
    upper = np.triu_indices(len(compared), k=1)
    same_shape = before is not None and before.shape == message.shape
    return {
        "norms": [
            float(f"{norm:.4g}") if np.isfinite(norm) else None for norm in np.linalg.norm(message, axis=1)
        ],
        "before": _thousandths(np.sum(_directions(message) * _directions(before), axis=1))
        if before is not None and same_shape
        else None,
        "compared": compared.tolist(),
        "similarity": _thousandths((directions @ directions.T)[upper]),
    }


def _directions(message: Message) -> Message:
    """Latents at length 1; NaN for one of zeros, or of what is no finite number."""
    norms = np.linalg.norm(message, axis=1, keepdims=True)
    fit = (norms > 0) & np.isfinite(norms)
    return np.divide(message, norms, out=np.full_like(message, np.nan), where=fit)


def _thousandths(cosines: NDArray[np.float64]) -> list[int | None]:
    return [None if np.isnan(one) else round(THOUSANDTHS * float(one)) for one in cosines]
