"""The program's commands, run beside a server."""

import asyncio
import sys

from tests.e2e.server import ROOT, Server


async def command(server: Server, *arguments: str) -> tuple[int, str, str]:
    """Status, output and errors of a command with the server's settings."""
    chosen = {f"IMCAXY_{name.upper()}": str(value) for name, value in server.settings.items()}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "imcaxy", *arguments),
        env={**chosen, "IMCAXY_PORT": str(server.port), "PYTHONPATH": str(ROOT), "PATH": ""},
        cwd=server.directory,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, out.decode(), errors.decode()
