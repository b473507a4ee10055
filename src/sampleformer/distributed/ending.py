"""The end of a process that is one of several."""

import atexit
import os
import sys

import torch.distributed as dist


def end_process(code: int) -> None:
    """Ends this process, if it is one of several, before Python takes itself apart; else nothing happens.

    A thread of gloo lets go of the tensors of the last message when it comes to it, for which it needs the interpreter.
    If that is being taken apart by then, Python ends the thread, and C++ the process (SIGABRT, after all work is done);
    `torch.distributed.destroy_process_group` does not end these threads.

    Args:
        code: Exit code.
    """
    if not dist.is_available() or not dist.is_initialized():
        return
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
