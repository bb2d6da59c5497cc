"""Names of environment variables that tell what they hold."""

from __future__ import annotations

_SECRET_PARTS = (
    "TOKEN", "SECRET", "PASSWORD", "PASSWD", "API_KEY", "ACCESS_KEY", "PRIVATE_KEY", "CREDENTIAL",
)  # fmt: skip


def secret_name(name: str) -> bool:
    """Whether a variable of this name holds a secret, by the habits of those who name them.

    >>> secret_name("HF_TOKEN"), secret_name("TOKENIZERS_PARALLELISM")
    (True, False)
    """
    upper = name.upper()
    return any(part in upper for part in _SECRET_PARTS) and not upper.startswith("TOKENIZERS_")
