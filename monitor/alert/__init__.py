"""Calibration, thresholds, verdicts and transitions. Pure.

The way through it:

    build_history(layout, reference, windows)     -> History      the judged counts of healthy windows
    calibrate(history, windows_per_month, …)      -> Calibration  usual movement, tails, one threshold
    judge(checks, schema, layout, …)              -> Judgement    rows and verdicts of one window
    judge_once(checks, schema, layout, …)         -> Judgement    the same without any history
    advance(state, verdict, …)                    -> state, transition
"""
