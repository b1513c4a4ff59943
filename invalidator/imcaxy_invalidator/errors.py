"""What can go wrong, each with the exit code that a CI job sees.

InvalidatorError
├── Misused       2  an option, a setting or the repository
├── Unconfirmed   3  purged, but an instance or a source may still have the old picture
├── Refused       4  the server said no: token, project, address
└── Unreachable   5  no answer, or none that says whether the purge is kept
"""


class InvalidatorError(Exception):
    """A sentence for whoever reads the job's log."""

    code = 1


class Misused(InvalidatorError):
    """An option, a setting or the repository cannot be used so."""

    code = 2


class Unconfirmed(InvalidatorError):
    """The purge is kept, but it is not known that nobody can see an old picture any more."""

    code = 3


class Refused(InvalidatorError):
    """The server understood and declined; asking again would not help."""

    code = 4


class Unreachable(InvalidatorError):
    """The server did not answer, or could not keep the purge; the same call may be repeated."""

    code = 5
