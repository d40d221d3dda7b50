"""Clients that ask one URL over and over, and remember every answer."""

import collections
import http.client
import threading
import time
import urllib.parse

Answer = collections.namedtuple("Answer", "began ended status text")
"""`status` 0: there was no answer, and `text` says why."""


class Load:
    """`clients` threads that ask `url` of `platform` until told to stop: half keep their connection, half open one a time."""

    def __init__(self, platform, url, clients=8):
        self.platform, self.parts = platform, urllib.parse.urlsplit(url)
        self.answers = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(n % 2 == 0,), daemon=True) for n in range(clients)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, keep):
        connection = None
        while not self._stop.is_set():
            began = time.monotonic()
            connection = connection or http.client.HTTPConnection("127.0.0.1", self.platform.port, timeout=100)
            try:
                connection.request("GET", self.parts.path or "/", headers={"Host": self.parts.netloc})
                response = connection.getresponse()
                status, text = response.status, response.read().decode()
            except (OSError, http.client.HTTPException) as error:
                status, text = 0, repr(error)
            self.answers.append(Answer(began, time.monotonic(), status, text))
            if status == 0:
                time.sleep(0.02)
            if not keep or status == 0:
                connection.close()
                connection = None

    def failures(self):
        """Everything but 200."""
        return [answer for answer in self.answers if answer.status != 200]

    def texts(self, since=0.0, until=float("inf")):
        """The different answers to what was asked after `since` and answered before `until`."""
        return {answer.text for answer in self.answers if answer.began > since and answer.ended < until}

    def goes_on(self, answers=16):
        """Waits until that many more answers have come, and nothing but 200 among all of them."""
        enough = len(self.answers) + answers
        self.platform.wait_until(lambda: len(self.answers) >= enough or self.failures(), 100)
        assert not self.failures(), f"{len(self.failures())} of {len(self.answers)} failed: {self.failures()[:5]}\n{self.platform.log()[-3000:]}"
