"""The decorator of a verb's function: it takes a question, or the fields of one as keywords."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, cast, overload

from paretoken.answers.field_names import in_fields
from paretoken.answers.seam import Question, question_from_json
from paretoken.answers.typed_answer import Asking, TypedAnswer
from paretoken.errors import ParetokenError

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

    Its errors name fields of the question as Python has them, and options where a command line prints them. A type
    checker reads the fields from the class of the question.
    """

    def decorated(function: Callable[..., A]) -> QuestionFunction[Q, Fields, More, A]:
        @wraps(function)
        def answered(*args: Any, **kwargs: Any) -> A:
            if not args:
                args, kwargs = (question_from_json(cast("type[Q]", kind), kwargs),), {}
            try:
                answer = function(*args, **kwargs)
            except ParetokenError as e:
                e.reword(in_fields(str(e), type(args[0]), python=True))
                raise
            return _with_question(answer, function, args, kwargs)

        return cast("QuestionFunction[Q, Fields, More, A]", answered)

    return decorated


def _with_question(
    answer: A, function: Callable[..., object], args: tuple[Any, ...], kwargs: Mapping[str, object]
) -> A:
    """The answer, which keeps its question, unless it is from other data than the question names."""
    if isinstance(answer, TypedAnswer) and len(args) == 1 and not kwargs:
        answer.keep(Asking(function=f"{function.__module__}:{function.__name__}", question=args[0]))
    return answer
