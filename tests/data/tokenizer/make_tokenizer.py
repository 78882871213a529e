"""Make tokenizer.json beside this file: a byte-level BPE of 900 tokens, trained on the text below (ours).

Run `python tests/data/tokenizer/make_tokenizer.py`; the result is the same every time.
"""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

TEXT = """
a benchmark counts tokens and seconds while many users ask the same server for answers at once
the client must stay light so that the number it reports belongs to the server and not to itself
every request carries its own prompt because a warm cache would make a slow machine look quick
throughput rises with more users until memory or compute or the queue sets a limit on the rate
latency is what one person feels from the moment of asking until the first word and then the next
the frontier shows which machine gives the cheapest answers for a given wait and at what rent that turns
arrivals may be even or random or bunched and a trace repeats what a real service once received
prompts differ in length and so do answers therefore both are drawn from laws with a known mean
long documents fill the memory early and short questions leave room for many others beside them
a conversation grows with each turn since all earlier words are sent again together with new ones
people trust figures that come with their source their date and an honest word about what is missing
when the load is too high the queue grows without end and the time to the first token says nothing more
steady state means that the window shows no trend after the start and before the tail of the run
"""


def main() -> None:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=900,
        special_tokens=["<|begin|>", "<|end|>", "<|user|>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT.strip().splitlines() * 3, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|begin|> $A", special_tokens=[("<|begin|>", tokenizer.token_to_id("<|begin|>"))]
    )
    tokenizer.save(str(Path(__file__).parent / "tokenizer.json"), pretty=False)


if __name__ == "__main__":
    main()
