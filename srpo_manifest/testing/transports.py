"""What every transport promises: a plugin inherits the suite, and names its transport."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from srpo_manifest.plugin import Answer, Transport, TransportError, quote

PATIENCE_SECONDS = 60.0
_STRINGS = 10_000
_LARGE_BYTES = 8 << 20
_AT_ONCE = 8


def awkward(seed: int, count: int) -> list[str]:
    """Words with whatever quoting, encodings and terminals trip over; no NUL, which no argument can hold."""
    chance = random.Random(seed)  # noqa: S311 - the same words for everybody
    letters = "aZ0 \t\n\r'\"\\$`!*?[]{}()<>|&;#~%=:,@^-\x01\x07\x1b\x7f\x80é漢\u202e\U0001f680\udcff\udc80"
    return ["".join(chance.choices(letters, k=chance.randrange(12))) for _ in range(count)]


def sendable(word: str) -> str:
    """*word* without what no manifest may hold."""
    return "".join(
        letter
        for letter in word
        if letter in "\n\t" or not (letter < " " or "\x7f" <= letter < "\xa0" or "\ud800" <= letter < "\ue000")
    )


class TransportSuite:
    """Inherit it in a `Test…` class that overrides the fixture `transport`."""

    @pytest.fixture
    def transport(self) -> Transport:
        """The one under test."""
        raise NotImplementedError("a suite that inherits this one names its transport")

    @staticmethod
    def ask(transport: Transport, script: str, *data: bytes) -> Answer:
        """Run *script* there."""
        return transport.exec(script, data, timeout_seconds=PATIENCE_SECONDS)

    def test_it_has_a_name(self, transport: Transport) -> None:
        """People read it in messages."""
        assert transport.place
        assert transport.place.isprintable()

    def test_bytes_arrive_and_come_back_exactly(self, transport: Transport) -> None:
        """All of them, in any order, with and without a line's end; errors apart from output."""
        data = bytes(range(256)) * 3 + b"\r\n\n\0no end"
        assert self.ask(transport, "cat", data) == Answer(status=0, output=data, error=b"")
        assert self.ask(transport, "cat >&2", data) == Answer(status=0, output=b"", error=data)
        assert self.ask(transport, "printf a; printf b >&2; printf c") == Answer(status=0, output=b"ac", error=b"b")
        assert self.ask(transport, "cat") == Answer(status=0, output=b"", error=b"")

    def test_random_strings_arrive_as_words(self, transport: Transport) -> None:
        """As arguments and as variables, whatever is in them."""
        words = awkward(1, _STRINGS)
        expected = b"".join(word.encode("utf-8", "surrogateescape") + b"\0" for word in words)
        for start in range(0, _STRINGS, 2_500):
            some = words[start : start + 2_500]
            size = sum(len(word.encode("utf-8", "surrogateescape")) + 1 for word in some)
            answer = self.ask(transport, f"printf '%s\\0' {' '.join(map(quote, some))}")
            assert answer.output == expected[:size]
            expected = expected[size:]
        for word in words[:: _STRINGS // 10]:
            answer = self.ask(transport, f'export WORD={quote(word)}; printf %s "$WORD"')
            assert answer.output == word.encode("utf-8", "surrogateescape")

    def test_much_goes_both_ways(self, transport: Transport) -> None:
        """In chunks, and where nobody reads it."""
        chunk = bytes(range(256)) * 256
        chunks = [chunk] * (_LARGE_BYTES // len(chunk))
        assert self.ask(transport, "cat", *chunks).output == b"".join(chunks)
        assert self.ask(transport, "exit 3", *chunks).status == 3

    def test_every_exit_status_is_the_scripts_own(self, transport: Transport) -> None:
        """Those among them with which other programs report troubles of their own."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = pool.map(lambda number: self.ask(transport, f"echo {number}; exit {number}"), range(256))
            for number, answer in enumerate(found):
                assert (answer.status, answer.output) == (number, f"{number}\n".encode())

    def test_many_at_once_get_their_own_answers(self, transport: Transport) -> None:
        """`runs --refresh` asks in parallel."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = pool.map(lambda number: self.ask(transport, "cat; echo $((6 * 7))", b"%d " % number), range(24))
            assert [answer.output for answer in found] == [b"%d 42\n" % number for number in range(24)]

    def test_a_script_that_is_no_bash_fails(self, transport: Transport) -> None:
        """It does not half run, and is not taken for contact that was lost."""
        answer = self.ask(transport, "echo begun\nif true; then")
        assert answer.status != 0
        assert b"syntax error" in answer.error

    def test_what_takes_too_long_is_left(self, transport: Transport) -> None:
        """Soon after its time, and the next one is answered."""
        begun = time.monotonic()
        with pytest.raises(TransportError) as late:
            transport.exec("sleep 50", timeout_seconds=1.5)
        assert late.value.code == "command-timeout"
        assert time.monotonic() - begun < 25
        assert self.ask(transport, "echo again").output == b"again\n"

    def test_an_end_by_a_signal_is_no_success(self, transport: Transport) -> None:
        """Neither of the script, nor of the bash that runs it."""
        for script in ("kill -9 $BASHPID", "kill -9 $$", "kill -TERM $$"):
            with contextlib.suppress(TransportError):
                assert self.ask(transport, f"{script}; sleep 5").status != 0
        assert self.ask(transport, "echo again").output == b"again\n"

    def test_data_that_cannot_be_made_ends_it(self, transport: Transport) -> None:
        """Whoever makes the data sees the own error, and the script nothing that looks whole."""

        def broken() -> Iterator[bytes]:
            yield b"first\n"
            raise LookupError("no more")

        with pytest.raises(LookupError, match="no more"):
            transport.exec("cat", broken(), timeout_seconds=PATIENCE_SECONDS)
        with pytest.raises(ValueError, match="NUL"):
            transport.exec("echo \0", timeout_seconds=PATIENCE_SECONDS)

    def test_what_is_detached_outlives_the_answer(self, transport: Transport) -> None:
        """The answer does not wait for it, and it does not end with the connection."""
        begun = time.monotonic()
        answer = self.ask(transport, "setsid sleep 77 </dev/null >/dev/null 2>&1 & echo $!")
        assert time.monotonic() - begun < 30
        pid = answer.text
        try:
            assert self.ask(transport, f"kill -0 {pid}").status == 0
        finally:
            self.ask(transport, f"kill -9 {pid}")

    def test_scripts_and_data_are_in_no_list_of_processes(self, transport: Transport) -> None:
        """Whoever else is logged in sees a constant command line."""
        secret = f"canary-{random.randrange(10**12):012}"  # noqa: S311 - no secret of anybody
        script = f"""# {secret}
read -r said
printf '%s ' "$said"
cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -c '[c]anary-'
"""
        answer = self.ask(transport, script, f"{secret}\n".encode())
        assert answer.output == f"{secret} 0\n".encode()

    def test_nothing_of_this_machine_changes_that_bash(
        self, transport: Transport, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What would be read before the script, or make bash another one."""
        monkeypatch.setenv("BASH_ENV", "/dev/null/none")
        monkeypatch.setenv("ENV", "/dev/null/none")
        monkeypatch.setenv("POSIXLY_CORRECT", "1")
        answer = self.ask(transport, 'echo "${BASH_ENV-unset} $# $-"; shopt -qo posix || echo bash')
        said, kind = answer.output.decode().splitlines()
        assert (said.split()[:2], kind, answer.error) == (["unset", "0"], "bash", b"")
        assert "i" not in said.split()[2]
