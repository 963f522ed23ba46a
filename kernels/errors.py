"""The error of this package: a caller's fault, said in one line with what to do."""


class KernelError(ValueError):
    """An argument that an operation cannot serve: which rule, what came, what would be right."""
