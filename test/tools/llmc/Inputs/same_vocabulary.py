"""same_vocabulary.py A.json B.json: fails unless two tokenizer.json have the same tokens and merges."""
import json
import sys


def vocabulary(path):
    with open(path, encoding="utf-8") as file:
        model = json.load(file)["model"]
    return model["vocab"], [merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"]]


first, second = map(vocabulary, sys.argv[1:])
sys.exit(0 if first == second else "the vocabularies differ")
