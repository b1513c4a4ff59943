import subprocess
import sys


def test_libraries_of_the_stack_are_not_imported_before_they_are_used() -> None:
    code = (
        "import sys, imcaxy.app; "
        "print([name for name in sys.modules if name.split('.')[0] in "
        "('motor', 'pymongo', 'bson', 'miniopy_async', 'aiohttp_retry', 'Crypto')])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
