"""The decorator of a verb's function: it takes a question, or the fields of one as keywords."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, cast, overload

from paretoken.answers.seam import Question, question_from_json
from paretoken.answers.typed_answer import Asking, TypedAnswer

Q = TypeVar("Q", bound=Question)
Q_contra = TypeVar("Q_contra", bound=Question, contravariant=True)
A = TypeVar("A")
A_co = TypeVar("A_co", covariant=True)
Fields = ParamSpec("Fields")
More = ParamSpec("More")


class QuestionFunction(Protocol[Q_contra, Fields, More, A_co]):
    """A verb's function: of a question and perhaps data read before, or of the fields of a question alone."""

    @overload
    def __call__(self, question: Q_contra, /, *args: More.args, **kwargs: More.kwargs) -> A_co: ...
    @overload
    def __call__(self, *args: Fields.args, **kwargs: Fields.kwargs) -> A_co: ...


def takes(
    kind: Callable[Fields, Q],
) -> Callable[[Callable[Concatenate[Q, More], A]], QuestionFunction[Q, Fields, More, A]]:
    """Let a verb's function also take the fields of its question: BadConfig names a key that is unknown or wrong.

    A type checker reads the fields from the class of the question.
    """

    def decorated(function: Callable[..., A]) -> QuestionFunction[Q, Fields, More, A]:
        @wraps(function)
        def answered(*args: Any, **kwargs: Any) -> A:
            if args:
                return _with_question(function(*args, **kwargs), function, args, kwargs)
            question = question_from_json(cast("type[Q]", kind), kwargs)
            return _with_question(function(question), function, (question,), {})

        return cast("QuestionFunction[Q, Fields, More, A]", answered)

    return decorated


def _with_question(
    answer: A, function: Callable[..., object], args: tuple[Any, ...], kwargs: Mapping[str, object]
) -> A:
    """The answer, which keeps its question, unless it is from other data than the question names."""
    if isinstance(answer, TypedAnswer) and len(args) == 1 and not kwargs:
        answer.keep(Asking(function=f"{function.__module__}:{function.__name__}", question=args[0]))
    return answer
