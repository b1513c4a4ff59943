"""How many bytes all streams together may hold."""


class Budget:
    """A bound in bytes that is taken from and given back to."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    @property
    def full(self) -> bool:
        """Whether nothing more can be begun."""
        return self.used >= self.limit

    def take(self, count: int) -> bool:
        """Count these bytes; False, and nothing counted, when they do not fit."""
        if self.used + count > self.limit:
            return False
        self.used += count
        return True

    def give(self, count: int) -> None:
        """Count these bytes no more."""
        self.used -= count


class Holding:
    """The bytes of one owner; counted no more when released, or when the owner is forgotten."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._count = 0

    def take(self, count: int) -> bool:
        """Count these bytes too; False, and nothing counted, when they do not fit."""
        taken = self._budget.take(count)
        self._count += count if taken else 0
        return taken

    def release(self) -> None:
        """Give back everything."""
        self._budget.give(self._count)
        self._count = 0

    def __del__(self) -> None:
        self.release()
