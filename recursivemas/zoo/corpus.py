"""Text that the toy tokenizers are trained on: our own sentences, with numbers and names drawn at random.

It covers what toy agents read and write: arithmetic, algebra, choice questions, Python, LaTeX, plans.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator
from random import Random

NAMES = ("Ada", "Bela", "Chandra", "Dmitri", "Elif", "Femi", "Grace", "Hiro", "Ines", "Jonas")
THINGS = ("apples", "books", "candles", "marbles", "pencils", "stamps", "tickets", "tiles", "boxes", "coins")
VERBS = ("buys", "finds", "gives away", "loses", "sells", "stores", "shares", "counts")
FINDINGS = (
    "fever",
    "a dry cough",
    "chest pain",
    "fatigue",
    "headache",
    "a rash",
    "joint pain",
    "weight loss",
)
CAUSES = ("anemia", "asthma", "diabetes", "hepatitis", "hypertension", "infection", "pneumonia", "vitamin D")
FUNCTIONS = ("add", "count_words", "find_max", "is_prime", "merge", "reverse_list", "sort_pairs", "total")
SHAPES = ("circle", "cube", "rectangle", "right triangle", "square", "trapezoid")
UNICODE = (
    "The angle is 30° and π ≈ 3.1416, so the radius is √2 ± 0.5 m².",
    "α, β, γ and Δ are constants; θ ≤ 90° and x ≠ y, x × y → ∞.",
    "The naïve café owner paid 5 € for 20 µg – “quite dear”, she said… that’s all.",
)
ADVICE = (
    "You are a helpful assistant.",
    "Solve the problem step by step and put the final answer within \\boxed{}.",
    "Write a short plan in numbered steps. Do not give the final answer.",
    "Refine the plan: keep what is right, repair what is wrong, and output only the refined plan.",
    "Choose the correct option and reply with one letter, such as \\boxed{A}.",
    "Return one Python code block that reads from standard input and prints the result.",
    "Here is the feedback of the previous round. Use it to improve the reasoning below.",
    "Final Answer: \\boxed{",
    "Final Choice: \\boxed{",
    "<python> print(1 + 1) </python> <result> 2 </result>",
    "<search> capital of France </search> <result> Paris </result>",
)


def _arithmetic(random: Random) -> str:
    a, b = random.randrange(2, 100), random.randrange(2, 1000)
    return f"What is {a} * {b}? We compute {a} * {b} = {a * b}. Then {a} + {b} = {a + b}. \\boxed{{{a * b}}}"


def _word_problem(random: Random) -> str:
    name, thing, verb = random.choice(NAMES), random.choice(THINGS), random.choice(VERBS)
    a, b = random.randrange(20, 400), random.randrange(1, 20)
    return (
        f"{name} has {a} {thing} and {verb} {b} of them every day. How many {thing} are there after 3 days?\n"
        f"Step 1: multiply {b} by 3 to get {3 * b}.\nStep 2: the answer is {a - 3 * b}."
    )


def _algebra(random: Random) -> str:
    a, x, c = random.randrange(2, 13), random.randrange(-9, 40), random.randrange(1, 60)
    return (
        f"Solve ${a}x + {c} = {a * x + c}$ for $x$. Subtracting {c} from both sides gives ${a}x = {a * x}$, "
        f"so $x = \\frac{{{a * x}}}{{{a}}} = {x}$. Therefore, the value is \\boxed{{{x}}}."
    )


def _latex(random: Random) -> str:
    n, shape = random.randrange(2, 50), random.choice(SHAPES)
    return (
        f"Let $f(x) = x^{{{n}}} - \\sqrt{{{n}}}$ and $\\theta = \\frac{{\\pi}}{{{n}}}$. "
        f"The area of the {shape} is\n\\[\n\\left( {n} \\cdot \\sin \\theta \\right) \\text{{ units}}^2.\n\\]"
    )


def _choice(random: Random) -> str:
    age, answer = random.randrange(18, 90), random.choice("ABCD")
    first, second = random.sample(FINDINGS, 2)
    causes = random.sample(CAUSES, 4)
    options = "\n".join(f"{letter}. {cause}" for letter, cause in zip("ABCD", causes, strict=True))
    return (
        f"A {age}-year-old patient comes to the clinic with {first} and {second}. "
        f"Which of the following is the most likely diagnosis?\n{options}\n"
        f"The correct option is {answer}. \\boxed{{{answer}}}"
    )


def _python(random: Random) -> str:
    name, n = random.choice(FUNCTIONS), random.randrange(1, 30)
    return (
        f"```python\ndef {name}(values):\n    result = []\n    for i, value in enumerate(values):\n"
        f"        if value % {n + 1} == 0:\n            result.append(value + {n})\n"
        f"    return sorted(result)\n\nprint({name}([int(x) for x in input().split()]))\n```"
    )


def _advice(random: Random) -> str:
    return random.choice(ADVICE)


def _characters(random: Random) -> str:
    letters = "".join(random.sample(string.ascii_letters + string.digits + string.punctuation, 12))
    return f"{random.choice(UNICODE)}\t{letters}"


KINDS: tuple[Callable[[Random], str], ...] = (
    _arithmetic,
    _word_problem,
    _algebra,
    _latex,
    _choice,
    _python,
    _advice,
    _characters,
)


def generate_corpus(seed: int, num_passages: int = 600) -> Iterator[str]:
    """Passages of text, the same ones for the same seed, kinds taken in turn."""
    random = Random(seed)
    for index in range(num_passages):
        yield KINDS[index % len(KINDS)](random) + "\n\n"
