"""How fast the reader is on one core: `python examples/reading/speed.py` prints medians."""

import argparse
import statistics
import time


WORDS = "a red apple stands to the left of an old blue car with a white roof , and behind it sits a small dog . "


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nlp", help="spaCy pipeline with a reader, name or folder (default: what ships)")
    parser.add_argument("--repeats", type=int, default=20, help="default: %(default)s")
    options = parser.parse_args()
    import torch

    from spacetime_attn.layout.language import load_language
    from spacetime_attn.layout.reader import READER_NAME

    torch.set_num_threads(1)
    begun = time.perf_counter()
    reader = load_language(options.nlp).get_pipe(READER_NAME)
    print(f"loading {time.perf_counter() - begun:.2f} s")
    for tokens in (30, 250):
        text = " ".join((WORDS * 20).split()[:tokens])
        print(f"{tokens} tokens: {1000 * _median(reader, text, options.repeats):.0f} ms")
    text = (WORDS * 200)[:10_000]
    print(f"10,000 characters: {1000 * _median(reader, text, 3):.0f} ms")


def _median(reader, text: str, repeats: int) -> float:
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        reader.read(text)
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


if __name__ == "__main__":
    main()
