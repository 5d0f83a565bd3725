"""Calibration, thresholds, verdicts and transitions. Pure.

The way through it:

    build_cells(layout, reference)                            -> Cells        what is judged of each column
    build_history(layout, reference, windows)                 -> History      what healthy windows look like
    calibrate(history, windows_per_month=…, false_alarms=…)   -> Calibration  usual movement, tails, threshold
    judge(checks, schema, layout, reference, current, …)      -> Judgement    rows and verdicts of one window
    judge_once(…)                                             -> Judgement    the same without any history
    advance(state, verdict, …)                                -> state, transition
"""
