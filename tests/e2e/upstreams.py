"""The two servers behind Imcaxy: where sources live, and who makes pictures."""

from tests.e2e.pictures import png
from tests.e2e.scripted import Answer, Choice, Request, ScriptedServer

IMAGINARY = "imaginary 1.2.4 (bimg 1.1.5)"


class ScriptedOrigin(ScriptedServer):
    """Serves sources by path; a path that ends in `.png` and has no script is a small picture."""

    def choose(self, request: Request) -> Answer:
        if request.path in self._scripts or not request.path.endswith(".png"):
            return super().choose(request)
        return Answer(png())

    def redirect(self, path: str, to: str, status: int = 302) -> None:
        """Send whoever asks for `path` to another address."""
        self.script(path, Answer(b"", status=status, headers=(("Location", to),)))


class ScriptedImaginary(ScriptedServer):
    """Speaks Imaginary's API as far as its adapter does; what it answers is the test's choice.

    `made` counts the pictures that were asked for: what the version and health routes answer is
    not counted.
    """

    def __init__(self) -> None:
        super().__init__()
        self.default: Choice = Answer(png())

    @property
    def made(self) -> int:
        """Requests for a picture so far."""
        return sum(request.method == "POST" for request in self.requests)

    def answer(self, *answers: Choice) -> None:
        """Answer every operation from now on so, the last one for ever."""
        script = list(answers)

        def next_one(request: Request) -> Answer:
            choice = script.pop(0) if len(script) > 1 else script[0]
            return choice if isinstance(choice, Answer) else choice(request)

        self.default = next_one

    def choose(self, request: Request) -> Answer:
        if request.method == "GET" and request.path not in self._scripts:
            body = b'{"imaginary":"1.2.4","bimg":"1.1.5","libvips":"8.10.0"}'
            return Answer(body, media_type="application/json", headers=(("Server", IMAGINARY),))
        if request.path in self._scripts:
            return super().choose(request)
        return self.default if isinstance(self.default, Answer) else self.default(request)


def failure(status: int, message: str, delay: float = 0.0) -> Answer:
    """An error as Imaginary words it."""
    body = f'{{"message":"{message}","status":{status}}}'.encode()
    return Answer(body, status=status, media_type="application/json", delay=delay)
