"""One spelling of a value, so that equal values have equal digests."""

from __future__ import annotations

import msgspec


def canonical_json(value: object) -> bytes:
    """JSON with sorted keys and no blanks; strings that no UTF-8 can hold are escaped as surrogates."""
    try:
        return msgspec.json.encode(value, order="deterministic")
    except UnicodeEncodeError:
        import json  # noqa: PLC0415 - rare: a byte that is no UTF-8 came through the command line

        plain = msgspec.to_builtins(value)
        return json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()


def digest(value: object) -> str:
    """SHA-256 of the canonical JSON, hex."""
    import hashlib  # noqa: PLC0415 - loads OpenSSL, which `validate` can spare

    return hashlib.sha256(canonical_json(value)).hexdigest()
