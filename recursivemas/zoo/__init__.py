"""The toy release: all five published styles in the published layout, small enough to build in seconds.

Real architectures, own tokenizers and chat templates, random weights: it runs everything and knows nothing.
"""

from recursivemas.zoo.release import build, ensure

__all__ = ["build", "ensure"]
