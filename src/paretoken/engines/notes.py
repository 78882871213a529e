"""What the values of a launch command follow from, for those who read or change it: comments of the printed text."""

from __future__ import annotations

from collections.abc import Iterator

from paretoken.catalog.recipe import Recipe
from paretoken.engines.command import CONTEXT_BESIDE, Command, ServerSpec
from paretoken.engines.recipes import CPU
from paretoken.engines.weights import Weights

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def notes(recipe: Recipe, spec: ServerSpec, made: Command, weights: Weights, checked_shapes: bool) -> Iterator[str]:
    """Sentences on the engine, the weights, and each value that was not stated."""
    yield f"Flags of {recipe.name} {recipe.version}, read on {recipe.date}." + _image(recipe, made)
    yield _of_weights(spec, weights)
    yield from _of_context(spec, made)
    yield from _of_users(spec, made)
    if made.parameters.get("prefix_cache") is False:
        yield "Prefix caching is off, as for measurements; add --set prefix_cache=true to serve users."
    if not checked_shapes and spec.vendor != CPU and spec.gpus > 1:
        yield f"The shapes of {spec.model} are unknown: whether it divides by TP {spec.gpus} is not checked."
    if spec.host in LOOPBACK:
        opens = "; --host 0.0.0.0 opens it to the network, without a key" if "host" in recipe.parameters() else ""
        yield f"It answers on {spec.host} alone{opens}."
    else:
        yield f"It answers on {spec.host} without a key: whoever reaches that address can use it."


def _image(recipe: Recipe, made: Command) -> str:
    if not made.image:
        return ""
    if made.image not in recipe.images.values():
        return f" Image: {made.image}, of your choice."
    other = "" if recipe.version in made.image else ", another release"
    return f" Image: {made.image}{other}."


def _of_weights(spec: ServerSpec, weights: Weights) -> str:
    if not weights.hub:
        state = "" if weights.checked else ", which is not on this machine and was not checked"
        return f"Weights: {weights.path}{state}."
    entry = weights.entry
    precision = f" ({entry.precision})" if entry else ""
    if entry and entry.gated:
        return f"Weights: {weights.path}{precision} of the Hugging Face hub, gated: accept its licence, set HF_TOKEN."
    return f"Weights: {weights.path}{precision} of the Hugging Face hub; HF_TOKEN is passed on if it is set."


def _of_context(spec: ServerSpec, made: Command) -> Iterator[str]:
    length = made.parameters.get("max_model_len")
    if spec.longest and length == spec.longest + CONTEXT_BESIDE:
        yield (
            f"Context {length:,}: {spec.isl:,} input and {spec.osl:,} output tokens, and {CONTEXT_BESIDE} for a chat "
            "template."
        )
    elif spec.longest and length == spec.max_context:
        yield f"Context {length:,}: all that {spec.model} has."
    elif length is None and spec.max_context:
        yield f"Context: that of the model, {spec.max_context:,} tokens; --workload ISL/OSL fits it to your requests."


def _of_users(spec: ServerSpec, made: Command) -> Iterator[str]:
    limit = made.parameters.get("max_num_seqs")
    if limit is not None and limit == spec.users:
        above = f", above the engine's own {spec.own_users:,}" if spec.own_users else ""
        yield f"Serves {limit:,} requests at once, for --concurrency{above}."
    elif limit is None and spec.own_users:
        covers = f", which covers --concurrency {spec.users:,}" if spec.users else "; --concurrency raises it"
        yield f"Serves {spec.own_users:,} requests at once, the engine's own limit{covers}."
