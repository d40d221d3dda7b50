"""Functions to run before a template is made of this process and after an environment was made of the template.

The interface of AWS's package of this name, which Lambda's Python runtimes include; one that the function brings is
used instead. Source: https://docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks-python.html.
"""

_before = []
_after = []


def register_before_snapshot(func, *args, **kwargs):
    """Runs before the snapshot; the last registered first."""
    _before.append((func, args, kwargs))
    return func


def register_after_restore(func, *args, **kwargs):
    """Runs after a restore; the first registered first."""
    _after.append((func, args, kwargs))
    return func


def get_before_snapshot():
    return _before


def get_after_restore():
    return _after
