"""Predictions folded, labels sent and joined: what tests of the join are made of."""

from __future__ import annotations

from monitor.evaluate.join import Joiner
from monitor.model.time import HOUR_US
from tests.evaluate.labelling import labels_in, post_labels
from tests.evaluate.traffic import START_US, rows_of


def fold(world):
    while world.runner.folder.fold_slice(version_id=world.version.id, now_us=world.clock()):
        pass


def predict(world, *ids, hour=0):
    world.post(rows_of(ids, [START_US + hour * HOUR_US + n for n in range(len(ids))]))
    fold(world)


def label(world, labels):
    return post_labels(world.store, labels, model_id=world.model.id)


def join(world, **limits):
    passes = []
    joiner = Joiner(world.store, **limits)
    while (done := joiner.join(model_id=world.model.id)) is not None:
        passes.append(done)
    return passes


def found(world, *ids, hour=0, version=None, numeric=None):
    version_id = (version or world.version).id
    return labels_in(
        world.store, ids, version_id=version_id, start_us=START_US + hour * HOUR_US, numeric=numeric
    )  # fmt: skip
