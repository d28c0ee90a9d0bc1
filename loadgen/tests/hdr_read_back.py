"""Reads a report's .hlog and .hgrm with HdrHistogram's Python package, and compares them with each
other and with run.json. Prints every difference, and fails if there is one."""

import bisect
import json
import math
import pathlib
import sys

from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

QUANTILES = {"p50": 50, "p90": 90, "p99": 99, "p99_9": 99.9, "p99_99": 99.99}
# As in the file: three digits of microseconds are nanoseconds.
UNIT_NS = 1000


def distributions(folder):
    """All distributions of the interval log, by tag; those of several intervals are added up."""
    reader = HistogramLogReader(str(folder / "run.hlog"), HdrHistogram(1, 1000, 3))
    found = {}
    while (histogram := reader.get_next_interval_histogram()) is not None:
        tag = histogram.get_tag()
        if tag in found:
            found[tag].add(histogram)
        else:
            found[tag] = histogram
    return found


def rows(text):
    """The rows of a percentile text: value, percentile from 0 to 1, count so far, and the rest."""
    lines = [line.split() for line in text.splitlines()[1:] if line and line[0] != "#"]
    return [[float(column) for column in line] for line in lines]


def text_differences(name, histogram, found):
    """Where a percentile text differs from the histogram of the same distribution."""
    total = histogram.get_total_count()
    counts = [step.total_count_to_this_value for step in histogram.get_recorded_iterator()]
    for value, quantile, count, _ in found:
        # The package rounds to the nearest sample where others take the next one: with a whole
        # number of samples, both mean the same.
        read = histogram.get_value_at_percentile(100 * count / total) / UNIT_NS
        if read != value:
            yield f"{name}: {count} of {total} are up to {read}, and the text says {value}"
        # The last of the 12 decimals is rounded, which must not matter.
        expected = counts[bisect.bisect_left(counts, (quantile - 1e-12) * total)]
        if expected != count:
            yield f"{name}: {quantile} is reached with {expected}, and the text says {count}"
    ends = [row for row in found if row[1] == 1]
    if ends != found[-1:] or ends[0][3] != math.inf:
        yield f"{name}: the text ends in {ends}"


def differences(folder):
    """What the files do not agree on."""
    times = json.loads((folder / "run.json").read_text())["times"]
    logged = distributions(folder)
    filled = {name for name, it in times.items() if it["count"]}
    if set(logged) != filled:
        yield f"run.hlog has {sorted(logged)}, run.json {sorted(filled)}"
    texts = {file.stem for file in folder.glob("*.hgrm")}
    if texts != filled:
        yield f"there are percentile texts of {sorted(texts)}, run.json has {sorted(filled)}"
    for name in sorted(filled & set(logged) & texts):
        histogram, expected = logged[name], times[name]
        pairs = [("count", histogram.get_total_count(), expected["count"])]
        pairs.append(("max", histogram.get_max_value(), expected["max_ns"]))
        for key, percentile in QUANTILES.items():
            if (value := expected["percentiles_ns"][key]) is not None:
                pairs.append((key, histogram.get_value_at_percentile(percentile), value))
        for what, read, written in pairs:
            if read != written:
                yield f"{name}: {what} is {read} in run.hlog and {written} in run.json"
        found = rows((folder / f"{name}.hgrm").read_text())
        yield from text_differences(name, histogram, found)


def main():
    """Compares the files of the folder that is given."""
    found = list(differences(pathlib.Path(sys.argv[1])))
    for difference in found:
        print(difference)
    sys.exit(1 if found else 0)


main()
