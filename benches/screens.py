"""How late the words of a meeting stood on a screen, the same for every system: sentence by sentence, against the truth.

A screen is {"text": all text in the end, "steps": [[ms, characters of it settled, tentative text behind them]]}.
"""

import json
import math
import unicodedata


def compared(text):
    """What is compared: NFKC, lower case, letters and digits only; with the place of each character in the text."""
    pairs = []
    for place, char in enumerate(text):
        for plain in unicodedata.normalize("NFKC", char).lower():
            if plain.isalnum() or plain == "ー":
                pairs.append((plain, place))
    return [plain for plain, _ in pairs], [place for _, place in pairs]


def aligned(truth, heard):
    """For each character of the truth the index of the heard one that stands for it; none where it was left out."""
    width = len(heard) + 1
    before = list(range(width))
    table = [before]
    for row, wanted in enumerate(truth, 1):
        now = [row] * width
        for column in range(1, width):
            if wanted == heard[column - 1]:
                now[column] = before[column - 1]
            else:
                now[column] = 1 + min(before[column - 1], before[column], now[column - 1])
        table.append(now)
        before = now
    places, row, column = [None] * len(truth), len(truth), len(heard)
    while row and column:
        cost = table[row][column]
        if truth[row - 1] == heard[column - 1] and cost == table[row - 1][column - 1]:
            row, column = row - 1, column - 1
            places[row] = column
        elif cost == table[row - 1][column - 1] + 1:
            row, column = row - 1, column - 1
            places[row] = column
        elif cost == table[row][column - 1] + 1:
            column -= 1
        else:
            row -= 1
    return places


def sentence_latencies(truth_path, screen, until_s=None):
    """Seconds from the end of each sentence to its last character settled, and from its onset to its first one shown."""
    with open(truth_path, encoding="utf-8") as file:
        segments = json.load(file)["segments"]
    segments = [segment for segment in segments if until_s is None or segment["end"] < until_s - 1]
    spoken, owners = [], []
    for index, segment in enumerate(segments):
        chars, _ = compared(segment["text"])
        spoken += chars
        owners += [index] * len(chars)
    heard, places = compared(screen["text"])
    at = [None if place is None else places[place] for place in aligned(spoken, heard)]
    settled, shown = [], []
    for index, segment in enumerate(segments):
        own = [place for owner, place in zip(owners, at) if owner == index and place is not None]
        if not own:
            continue
        first, last = min(own), max(own)
        done = next((ms for ms, count, _ in screen["steps"] if count > last), None)
        seen = next((ms for ms, count, tail in screen["steps"] if count + len(tail) > first), None)
        if done is not None:
            settled.append(done / 1_000 - segment["end"])
        if seen is not None:
            shown.append(seen / 1_000 - segment["start"])
    return settled, shown


def percentile(values, share):
    """The value that this share of all do not exceed; none of nothing."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(len(ranked) * share) - 1)] if ranked else None


def nearest(moments, at, within):
    """The moment nearest to `at`, or `at` itself if none is that near."""
    best = min(moments, key=lambda moment: abs(moment - at), default=at)
    return best if abs(best - at) <= within else at
