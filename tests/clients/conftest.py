"""Fixtures: every test has a platform of its own, on a free port, with a data folder of its own."""

import pytest
from platform_under_test import Platform


@pytest.fixture
def danbi_with(tmp_path):
    """Starts platforms with further environment variables or arguments; ends them all."""
    started = []

    def start(*arguments, **environment):
        platform = Platform(tmp_path / f"data-{len(started)}", arguments, environment)
        started.append(platform)
        platform.start()
        return platform

    yield start
    for platform in started:
        platform.end()


@pytest.fixture
def danbi(danbi_with):
    """A platform as `danbi serve` gives it."""
    return danbi_with()
