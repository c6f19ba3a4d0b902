"""Ctrl-C while pictures are drawn: `Interrupts`."""

import signal
import threading


class Interrupts:
    """
    Ctrl-C in a `with` block. It ends an optimisation with the best so far; what one has found is drawn and written all
    the same, unless Ctrl-C comes twice. In another thread than the main one, which gets none, and where Ctrl-C is
    ignored, nothing changes.
    """

    def __init__(self):
        self.count = 0
        self.found = False  # what is not written yet

    def __enter__(self) -> "Interrupts":
        self._before = signal.getsignal(signal.SIGINT)
        in_main_thread = threading.current_thread() is threading.main_thread()
        self._acts = in_main_thread and self._before not in (signal.SIG_IGN, None)
        if self._acts:
            signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(self, *error) -> None:
        if self._acts:
            signal.signal(signal.SIGINT, self._before)

    def _interrupt(self, *signal_and_frame) -> None:
        self.count += 1
        if self.count > 1 or not self.found:
            raise KeyboardInterrupt

    def end_of_job(self) -> None:
        """Raises what was put off."""
        self.found = False
        if self.count:
            raise KeyboardInterrupt

    def optimizer(self, epochs: int):
        """A `WeightOptimizer` that tells when it has found something."""
        from ..processors.optimizer import WeightOptimizer

        class InterruptibleOptimizer(WeightOptimizer):
            def minimise(optimizer, *arguments):
                result = super().minimise(*arguments)
                self.found = True
                return result

        return InterruptibleOptimizer(epochs)
