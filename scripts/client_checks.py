"""What the checks with foreign clients share: run, print a line for each, count."""

import time

# Seconds; a machine may be busy with something else.
PATIENCE = 60.0


class Checks:
    """Runs checks, prints one line for each, remembers whether one failed."""

    def __init__(self):
        self.passed = 0
        self.failed = 0

    def run(self, client, suite):
        """Runs the methods of `suite` whose names start with `check_`, in the order they are written.

        What a method returns, if anything, is printed as what it saw.
        """
        for name, method in list(vars(type(suite)).items()):
            if not name.startswith("check_"):
                continue
            label = f"{client}: {name.removeprefix('check_').replace('_', ' ')}"
            started = time.monotonic()
            try:
                seen = method(suite)
            except Exception as error:  # whatever a client throws is a failed check, and the next one runs
                self.failed += 1
                print(f"FAIL  {label}: {type(error).__name__}: {error}", flush=True)
            else:
                self.passed += 1
                took = f"({1000 * (time.monotonic() - started):.0f} ms)"
                print(f"ok    {label} {took}" + (f": {seen}" if seen else ""), flush=True)


def expect(condition, message):
    if not condition:
        raise AssertionError(message)


def expect_equal(got, wanted, what):
    expect(got == wanted, f"{what}: got {got!r}, wanted {wanted!r}")


def eventually(condition, what, patience=PATIENCE, pause=0.05):
    """Polls until `condition` answers something true, and answers that.

    A broker of several nodes, for one, answers admin calls before every node knows.
    """
    deadline = time.monotonic() + patience
    while not (found := condition()):
        expect(time.monotonic() < deadline, f"{what}: not within {patience:.0f} s")
        time.sleep(pause)
    return found
