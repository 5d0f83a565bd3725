"""Why a check failed, in numbers and in words: columns, direction, since when, how unusual. Pure.

The way through it:

    find_direction(…)            -> Direction     which way one column went
    facts_of(…)                  -> facts         what changed, before and now, in words
    change_point(scores)         -> Change        since when, by the most likely step
    rarity_of(…)                 -> Rarity        how often healthy traffic goes so far, as far as can be told
    explain(case)                -> Explanation   all of it, with a sentence for people
"""
