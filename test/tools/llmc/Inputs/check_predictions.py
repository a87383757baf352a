"""check_predictions.py FOLDER PREFIX: fails unless llmc predict, compiled and interpreted, says what the predictions.json of each
checkpoint in the folder says."""

import json
import pathlib
import subprocess
import sys


def close(found, wanted):
    assert abs(found - wanted) < 1e-4 * max(1, abs(wanted)), (found, wanted)


def check_labels(found, wanted):
    assert [label["label"] for label in found["labels"]] == [label["label"] for label in wanted], (found, wanted)
    for label, other in zip(found["labels"], wanted):
        close(label["score"], other["score"])


def check_entities(found, wanted):
    places = [(entity["label"], entity["start"], entity["end"]) for entity in found["entities"]]
    assert places == [(entity["entity_group"], entity["start"], entity["end"]) for entity in wanted], (places, wanted)
    for entity, other in zip(found["entities"], wanted):
        close(entity["score"], other["score"])


def check_gaps(found, wanted):
    (gap,) = found["gaps"]
    assert [token["id"] for token in gap["candidates"]] == [token["token"] for token in wanted], (gap, wanted)
    for token, other in zip(gap["candidates"], wanted):
        close(token["score"], other["score"])


def check(checkpoint, artifact):
    expected = json.loads((checkpoint / "predictions.json").read_text(encoding="utf-8"))
    subprocess.run(["llmc", "compile", checkpoint, "--dtype", "f32", "-o", artifact, "--quiet"], check=True)
    for model in ([artifact], ["--interpret", checkpoint]):
        command = ["llmc", "predict", *model, "--json", *(["--top-k", "3"] if "masked" in checkpoint.name else [])]
        output = subprocess.run([*command, *(row["text"] for row in expected)], check=True, stdout=subprocess.PIPE, text=True)
        predictions = json.loads(output.stdout)["predictions"]
        assert len(predictions) == len(expected) > 0
        for found, row in zip(predictions, expected):
            compare = check_labels if "labels" in found else check_entities if "entities" in found else check_gaps
            compare(found, row["predictions"])


folder, prefix = sys.argv[1:]
checkpoints = [path.parent for path in pathlib.Path(folder).glob("*/predictions.json")]
assert len(checkpoints) == 9, checkpoints
for checkpoint in checkpoints:
    check(checkpoint, prefix + ".llmc")
