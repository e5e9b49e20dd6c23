"""Reads the event files of runs as TensorBoard does, and holds them against the curve that lies beside them.

    python3 tensorboard_events.py RUN_FOLDER...     each with events.out.tfevents.* and curve.json

Needs tensorboard and pillow (tried: 2.21.0, 12.3.0).  Fails where a step stands twice or out of order, an epoch's loss is
missing or not that of the curve, or a picture is no PNG of the size that its event states.
"""
import io
import json
import sys

import numpy as np
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def check(folder):
    events = EventAccumulator(folder, size_guidance={"scalars": 0, "images": 0}).Reload()
    tags = events.Tags()
    for tag in tags["scalars"]:
        steps = [e.step for e in events.Scalars(tag)]
        assert steps == sorted(set(steps)), (tag, steps)
        print("%-32s %d points, steps %d to %d, last %.6g" % (tag, len(steps), steps[0], steps[-1], events.Scalars(tag)[-1].value))
    for tag in tags["images"]:
        pictures = events.Images(tag)
        for p in pictures:
            im = Image.open(io.BytesIO(p.encoded_image_string))
            im.load()
            assert (im.format, im.width, im.height) == ("PNG", p.width, p.height), (tag, im)
        print("%-32s %d pictures of %d x %d, steps %s" % (tag, len(pictures), p.width, p.height, [p.step for p in pictures]))
    curve = [(row["step"], float(np.float32(row["loss"]))) for row in json.load(open(folder + "/curve.json"))]
    assert curve == [(e.step, e.value) for e in events.Scalars("epoch/loss")], folder
    print("%s: %d epochs as in its curve" % (folder, len(curve)))


for run in sys.argv[1:]:
    check(run)
