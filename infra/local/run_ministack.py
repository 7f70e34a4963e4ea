"""Runs MiniStack until whoever started it goes away.

Standard input is a pipe held by the runner: when the runner ends, however it ends, the pipe closes and the whole
process group (MiniStack and the functions it has spawned) is stopped. So no run leaves an emulator behind.
"""

import os
import signal
import threading
import time

GRACE_SECONDS = 3


def watch() -> None:
    while os.read(0, 64):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os.killpg(os.getpgrp(), signal.SIGKILL)


threading.Thread(target=watch, daemon=True).start()

from ministack.app import main  # noqa: E402  (the watch must be on before the slow import)

try:
    main()
finally:
    # Function processes still waiting for work would otherwise outlive the emulator.
    os.killpg(os.getpgrp(), signal.SIGKILL)
