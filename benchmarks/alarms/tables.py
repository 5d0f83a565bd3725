"""The tables of docs/alarms.md: rates of healthy streams, shifts found beside re-tuned rivals, and what missed."""

from __future__ import annotations

import numpy as np

from benchmarks.alarms.experiment import OURS
from benchmarks.alarms.rivals import rivals

PROMISED, MOST, LEAST = 1.0, 2.0, 0.1  # alarms a month: promised, the upper bound allowed, the least on independent
# Two pairs of rivals differ only in their bound: re-tuned they are the same.
RETUNED = {"PSI > 0.2, re-tuned": "PSI, re-tuned", "KS p < 0.05, re-tuned": "KS, re-tuned",
           "mean ± 3σ of chunks, re-tuned": "mean ± kσ, re-tuned"}  # fmt: skip


def rate_header(*, titles=("stream", "n", "columns", "K")):
    """The two lines above rows of rates."""
    names = [rival.name for rival in rivals()]
    cells = [*titles, "status", f"{OURS}: alarms a month", "windows in alarm", *names]
    return f"\n| {' | '.join(cells)} |\n|{'---|' * len(cells)}"


def rate_row(cells, outcome):
    """One stream's rates: ours with its 95 % interval, and the rivals' as people use them."""
    ours = outcome.rates[OURS]
    rates = [outcome.rates[rival.name] for rival in rivals()]
    shown = [
        *cells, outcome.told, f"{ours.episodes:.2f} ({ours.low:.2f} to {ours.high:.2f})", f"{ours.in_alarm:.1f}",
        *(f"{rate.episodes:.1f} ({rate.in_alarm:.0f})" for rate in rates),
    ]  # fmt: skip
    return f"| {' | '.join(shown)} |"


def missed_rate(outcome, *, independent):
    """Why the promise is not kept, or not used, there; None where it is."""
    ours = outcome.rates[OURS]
    if ours.high > MOST * PROMISED:
        return f"{ours.episodes:.2f} a month, at most {ours.high:.2f}"
    if independent and not outcome.told.startswith("learning") and ours.episodes < LEAST * PROMISED:
        return f"{ours.episodes:.2f} a month only"
    return None


def found_table(title, outcome):
    """For each shift the share found within a week and the median delay in windows, beside re-tuned rivals."""
    lines = [
        f"\n{title}\n",
        f"| shift | {OURS} | {' | '.join(RETUNED.values())} |",
        f"|---|---|{'---|' * len(RETUNED)}",
    ]
    for shift, found in outcome.found.items():
        cells = [f"{found[name].share:.0%}, {_windows(found[name].delay)}" for name in (OURS, *RETUNED)]
        lines.append(f"| {shift} | {' | '.join(cells)} |")
    return "\n".join(lines)


def behind(found, *, small):
    """In what we are behind the best re-tuned rival: share found, delay by over a window, or half of it if ``small``.

    None where nothing is, and for shifts that nobody finds in half of the versions.
    """
    ours, others = found[OURS], [found[name] for name in RETUNED]
    best_share, best_delay = max(other.share for other in others), min(other.delay for other in others)
    if ours.share < best_share:
        return f"found in {ours.share:.0%}, not {best_share:.0%}"
    if not np.isfinite(ours.delay):
        return None
    if ours.delay > best_delay + 1:
        return f"after {ours.delay:g} windows, not {best_delay:g}"
    if small and best_delay > 2 and ours.delay > best_delay / 2:
        return f"after {ours.delay:g} windows, not half of {best_delay:g}"
    return None


def _windows(delay):
    return f"{delay:.0f}" if np.isfinite(delay) else "–"
